"""The formats of `tamias export`, and the file that it writes. Knows nothing of running pools."""
