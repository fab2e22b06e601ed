"""The client's side of Flink: streams and tables to an operator. Knows no worker."""
