"""Wrong behaviour on purpose; without a switch none of it is even loaded."""
