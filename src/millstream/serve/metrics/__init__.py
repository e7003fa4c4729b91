"""Metrics: one table of them, and what is made of it for Prometheus, OpenTelemetry and Grafana."""
