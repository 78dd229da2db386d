"""What happened to objects, as hash chains."""
