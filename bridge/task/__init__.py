"""The launcher under a Flink task: its source, delivery, checkpoints. Knows no Flink class."""
