"""What is done to Headrace from outside: verifying it, measuring it, loading it, showing it."""
