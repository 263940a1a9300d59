"""Client libraries side by side, each on the server it was made for."""
