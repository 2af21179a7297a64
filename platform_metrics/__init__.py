"""What Prometheus reads of the platform itself: runs, queue, releases, features, containers."""
