"""What is sold, at which price, since when."""
