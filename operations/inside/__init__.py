"""What runs in a container of one of our images, given to its Python as text."""
