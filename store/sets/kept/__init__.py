"""What a process keeps of memory sets from one search to the next. Knows nothing of LMDB."""
