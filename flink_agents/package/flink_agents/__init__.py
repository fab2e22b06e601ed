"""The modules of Apache Flink Agents, made of tamias: programs written for it run as they are."""
