"""What a coordinator serves: status, health, reflection and metrics. It changes nothing."""
