"""What the product's services ask of other machines over HTTP, within bounds."""
