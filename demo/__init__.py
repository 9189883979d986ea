"""``make demo``: a real deployment to the embedded AWS, and real lines through it."""
