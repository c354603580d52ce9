"""The language of rules: its words, its functions, and a checker of what can be told without running them."""
