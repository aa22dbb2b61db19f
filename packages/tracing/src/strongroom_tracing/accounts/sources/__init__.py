"""Where transfers come from: a node, files of ethereum-etl, a table of somebody's own."""
