"""What people look at and act on: REST API, live feed, metrics, alerts, dashboard."""
