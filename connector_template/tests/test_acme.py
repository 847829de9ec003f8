"""What is peculiar to Acme Desk goes here; everything a connector must keep is in the kit."""

from hub.conformance import suite
from hub_acme.connector import AcmeConnector

test_conformance = suite(AcmeConnector)
