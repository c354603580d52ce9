"""Languages of the pages: catalogs that an operator brings, the choice among them, and templates made of them."""
