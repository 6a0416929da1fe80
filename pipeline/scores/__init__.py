"""How disentangled a code is, in numbers: each with an interval, chance and a perfect value."""
