"""A Salesforce org on loopback: OAuth, SOQL, the collection endpoints, and outbound messages.

For tests, the demo and `hub sandbox salesforce`. The methods at the end are what people do in the
user interface; everything else is what the API does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.salesforce.sandbox_api import SalesforceServer
from connectors.salesforce.sandbox_oauth import CLIENT_ID, CLIENT_SECRET
from connectors.salesforce.sandbox_org import Refusal
from connectors.salesforce.sandbox_tables import Column
from connectors.salesforce.soql import id18

if TYPE_CHECKING:
    from connectors.salesforce.drill import SalesforceDrill

HOOK_TOKEN = "fake-outbound-message-token-of-the-sandbox"


class SalesforceSandbox(SalesforceServer):
    """`page_size` is the size of a query's batches; `clock` gives the stamps of changes."""

    def __init__(self, page_size: int = 2000, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__(page_size, clock)
        for name in ("Dana Meier", "Lee Kim", "Sam Rossi"):
            self.create_user(name, f"{name.split()[0].lower()}@acme.test")

    def connection(self) -> dict[str, Any]:
        return {
            "connector": "salesforce",
            "base_url": self.url,
            "page_size": 200,
            "auth": {
                "client_id": "env:HUB_SANDBOX_SF_ID",
                "client_secret": "env:HUB_SANDBOX_SF_SECRET",
            },
            "webhook": {"token": "env:HUB_SANDBOX_SF_HOOK_TOKEN"},
        }

    def env(self) -> dict[str, str]:
        return {
            "HUB_SANDBOX_SF_ID": CLIENT_ID,
            "HUB_SANDBOX_SF_SECRET": CLIENT_SECRET,
            "HUB_SANDBOX_SF_HOOK_TOKEN": HOOK_TOKEN,
        }

    def drill(self) -> SalesforceDrill:
        from connectors.salesforce.drill import SalesforceDrill

        return SalesforceDrill(self)

    def populate(self) -> None:
        """A customer with a contact, two deals, a case and a task."""
        acme = self.create_account("Acme Solar")
        ann = self.create_contact("Ann", "Keller", email="ann.keller@customer.test", account=acme)
        deal = self.create_opportunity(
            "Acme Solar, 20 tenants",
            stage="Negotiation",
            amount=12000.0,
            account=acme,
            contact_email="ann.keller@customer.test",
            owner="dana@acme.test",
        )
        self.create_opportunity("Birch Foods, pilot", amount=3500.0, owner="lee@acme.test")
        self.create_case(
            "Invoice shows the wrong address", by="sam@acme.test", ContactId=ann, Origin="Email"
        )
        self.create_task("Call Ann about the contract", owner="dana@acme.test", WhatId=deal)

    # -------------------------------------------------------------- what people do in the screens

    def user(self, email: str | None) -> str:
        """The id of the user with this e-mail address; None is the integration user."""
        if email is None:
            return self.org.integration
        for id, row in self.org.tables["User"].rows.items():
            if row["Email"] == email:
                return id
        raise LookupError(f"The Salesforce sandbox has no user {email}; create_user makes one.")

    def add_field(self, object: str, name: str, type: str = "string", **more: Any) -> None:
        """A custom field, as an admin adds it in Setup."""
        with self.lock:
            table = self.org.table(object)
            table.columns[name] = Column(name, type, **more)
            for row in table.rows.values():
                row.setdefault(name, None)

    def remove_field(self, object: str, name: str) -> None:
        """An admin deletes a field, or takes it from our user's sight."""
        with self.lock:
            del self.org.table(object).columns[name]

    def change_field(self, object: str, name: str, **what: Any) -> None:
        """An admin makes a field another: its `type`, `values`, whether it is `required` or
        `writable`.
        """
        with self.lock:
            columns = self.org.table(object).columns
            columns[name] = replace(columns[name], **what)

    def choices(self, object: str, name: str) -> tuple[str, ...]:
        """What can be chosen for a field."""
        with self.lock:
            return self.org.table(object).columns[name].values

    def rename_choice(self, object: str, name: str, old: str, new: str) -> None:
        """An admin renames a value of a picklist, and with it those of the records."""
        values = tuple(new if one == old else one for one in self.choices(object, name))
        self.change_field(object, name, values=values)
        with self.lock:
            for row in self.org.table(object).rows.values():
                if row.get(name) == old:
                    row[name] = new

    def create_user(self, name: str, email: str) -> str:
        return self.create("User", Name=name, Email=email, Username=email, IsActive=True)

    def create_account(self, name: str, by: str | None = None, **fields: Any) -> str:
        return self.create("Account", by, Name=name, **fields)

    def create_opportunity(
        self,
        name: str,
        stage: str = "Prospecting",
        close_date: str = "2026-12-31",
        amount: float | None = None,
        account: str | None = None,
        contact_email: str | None = None,
        owner: str | None = None,
        by: str | None = None,
        **fields: Any,
    ) -> str:
        """`account` is an id; `owner` and `by` are e-mail addresses of users."""
        return self.create(
            "Opportunity",
            by or owner,
            Name=name,
            StageName=stage,
            CloseDate=close_date,
            Amount=amount,
            AccountId=account,
            Contact_Email__c=contact_email,
            OwnerId=self.user(owner or by),
            **fields,
        )

    def create_task(
        self, subject: str, owner: str | None = None, by: str | None = None, **fields: Any
    ) -> str:
        return self.create(
            "Task", by or owner, Subject=subject, OwnerId=self.user(owner or by), **fields
        )

    def create_case(
        self, subject: str, owner: str | None = None, by: str | None = None, **fields: Any
    ) -> str:
        return self.create(
            "Case", by or owner, Subject=subject, OwnerId=self.user(owner or by), **fields
        )

    def create_contact(
        self,
        first: str | None,
        last: str,
        email: str | None = None,
        account: str | None = None,
        by: str | None = None,
        **fields: Any,
    ) -> str:
        """`account` is an id."""
        values = {"FirstName": first, "LastName": last, "Email": email, "AccountId": account}
        return self.create("Contact", by, **values, **fields)

    def set_stage(self, id: str, stage: str, by: str | None = None) -> None:
        self.update("Opportunity", id, by, StageName=stage)

    def create(self, object: str, by: str | None = None, **fields: Any) -> str:
        """The new record's id. Raises ValueError where the screen would show an error."""
        with self.lock:
            try:
                id = self.org.create(object, fields, self.user(by))
            except Refusal as error:
                raise ValueError(str(error)) from None
            self.announcer.add(object, id)
            return id

    def update(self, object: str, id: str, by: str | None = None, **fields: Any) -> None:
        with self.lock:
            try:
                changed = self.org.update(object, id, fields, self.user(by))
            except Refusal as error:
                raise ValueError(str(error)) from None
            if changed:
                self.announcer.add(object, id18(id))

    def delete(self, object: str, id: str, by: str | None = None) -> None:
        """Into the recycle bin; Salesforce sends no outbound message for that."""
        with self.lock:
            self.org.delete(object, id, self.user(by))

    def undelete(self, object: str, id: str, by: str | None = None) -> None:
        """Out of the recycle bin."""
        with self.lock:
            self.org.undelete(object, id, self.user(by))

    def merge(self, object: str, winner: str, *losers: str, by: str | None = None) -> None:
        """Make one of contacts or cases that are the same."""
        with self.lock:
            self.org.merge(object, winner, losers, self.user(by))

    def purge(self, object: str, id: str) -> None:
        """Out of the recycle bin: nothing can read the record any more."""
        with self.lock:
            del self.org.table(object).rows[id18(id)]

    def record(self, object: str, id: str) -> dict[str, Any]:
        """A copy of a record as it stands, deleted ones included."""
        with self.lock:
            return dict(self.org.table(object).rows[id18(id)])

    def records(self, object: str) -> list[dict[str, Any]]:
        """Copies of all records of an object, without those in the recycle bin."""
        with self.lock:
            rows = self.org.table(object).rows.values()
            return [dict(row) for row in rows if not row.get("IsDeleted")]

    def expire_sessions(self) -> None:
        """End every session, as an admin can and time does."""
        with self.lock:
            self.sign_in.tokens.clear()
