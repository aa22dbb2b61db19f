"""What all pages for people share: design tokens, templates, assets, and the headers that keep a page to itself."""
