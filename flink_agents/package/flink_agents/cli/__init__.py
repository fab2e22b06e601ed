"""As in Flink Agents; its programs are in the modules below."""
