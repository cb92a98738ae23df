"""What is known of PgDog's mirroring: its metrics in both dialects, its readiness, its console, and the contents."""
