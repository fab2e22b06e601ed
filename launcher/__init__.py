"""The parent's room: sources and sinks, dispatch, supervision of workers, and the command line."""
