"""What ships to a customer: feature maths, the model, the request contract and the service."""
