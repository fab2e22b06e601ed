"""As in Flink Agents; its names are in the modules below."""
