"""What tokenizer and optimizer studies must measure beside bits per byte, and what is missing of it."""
