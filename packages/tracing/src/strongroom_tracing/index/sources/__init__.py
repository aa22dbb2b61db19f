"""Where blocks come from: nodes, files of nodes, files of single blocks, Parquet files of an index."""
