"""What is peculiar to Acme Desk goes here; everything a connector must keep is in the kit."""

from hub_acme.connector import AcmeConnector

from hub.conformance import suite

test_conformance = suite(AcmeConnector)
