"""What is known of the domains of the internet: asked only where the user wants it."""
