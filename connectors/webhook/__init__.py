"""Systems that can do nothing but POST: their deliveries, however they prove themselves."""
