"""How people who live in none of our tools take part: by mail and by link, without an account."""
