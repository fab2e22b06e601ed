"""Metrics and traces of jobs for OpenTelemetry, sent by OTLP. Knows nothing of workers."""
