"""The nouns that every side of Strongroom shares; the standard library is all it imports."""
