"""Small example applications; a test runs each of them."""
