"""Server-rendered pages for merchants and operators."""
