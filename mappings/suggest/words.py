"""What tools call things: names of fields and of states in the words of ticket systems, CRMs and
spreadsheets, English first, then German, French, Spanish and Italian.

A weight says how surely a name alone means the field: `deadline` is a due date whatever it holds, a
`name` is the title of some objects only. Names are written as their words, without accents.
"""

from __future__ import annotations

from collections.abc import Mapping

Names = Mapping[float, str]
"""Weight → names, separated by commas."""


def listed(text: str) -> frozenset[str]:
    """The words or phrases of a text that separates them by commas."""
    return frozenset(" ".join(one.split()) for one in text.split(",") if one.strip())


_ASSIGNEE: Names = {
    1.0: "assignee, assigned to, assigned user, assigned, responsible, responsible person,"
    " zugewiesen an, zugewiesen, zustandig, verantwortlich, verantwortlicher, bearbeiter,"
    " responsable, assigne a, attribue a, asignado a, assegnato a, incaricato",
    0.92: "owner, assignees, agent, responder, handler, technician, besitzer, inhaber,"
    " proprietaire",
    0.75: "member, members, person, people, user, in charge, who, wer, personne, contact person",
}
_TITLE: Names = {
    1.0: "title, subject, summary, headline, short description, betreff, titel, uberschrift,"
    " titre, sujet, objet, asunto, titulo, titolo, oggetto",
    0.92: "name, topic, caption, zusammenfassung, bezeichnung, nombre, nome, nom, libelle",
    0.8: "thema, aufgabe, vorgang, tache, tarea, what, was, task, todo, to do, activity, item,"
    " issue",
}
_TEXT: Names = {
    1.0: "description, body, beschreibung, descripcion, descrizione, long description, desc,"
    " details, description text, body text",
    0.9: "notes, note, content, text, bemerkung, bemerkungen, notizen, notiz, remarque, remarques,"
    " memo, remarks, detail, message, html content, text content, hinweise, inhalt, contenu, notas",
    0.6: "comment, comments, kommentar, commentaire, information, info",
}
_STATE: Names = {
    1.0: "status, state, status category, zustand, statut, etat, estado, stato, bearbeitungsstand,"
    " stand",
    0.92: "completed, done, closed, resolved, finished, complete, erledigt, abgeschlossen, fertig,"
    " termine, is closed, is done, is completed",
    0.85: "stage, phase, pipeline stage, progress status, workflow state, etape",
    0.6: "list, column, section, bucket, liste, spalte, progress, resolution",
}

FIELD_NAMES: Mapping[str, Mapping[str, Names]] = {
    "task": {
        "title": _TITLE,
        "description": _TEXT,
        "status": _STATE,
        "assignee": _ASSIGNEE,
        "requester": {
            1.0: "requester, reporter, requested by, requested for, opened by, caller, submitter,"
            " raised by, reported by, submitted by, melder, antragsteller, anforderer,"
            " auftraggeber,"
            " demandeur, solicitante, richiedente",
            0.85: "author, creator, created by, ersteller, erstellt von, auteur, cree par, autor,"
            " creator user",
            0.6: "customer, client, contact, kunde, user, who",
        },
        "waiting_on": {
            1.0: "waiting on, waiting for, pending on, wartet auf, en attente de, ball in court",
        },
        "due": {
            1.0: "due, due date, due on, due at, due by, deadline, date due, fallig, fallig am,"
            " falligkeit, falligkeitsdatum, frist, echeance, date limite, date echeance,"
            " fecha limite, vencimiento, scadenza",
            0.92: "activity date, target date, complete by, finish by, termin, planned end,"
            " expected end, resolve by, bis wann, bis, end date, delai, expected delivery",
        },
        "start_by": {
            1.0: "start date, start, start on, starts at, start at, planned start, beginn,"
            " startdatum, starttermin, debut, date debut, fecha inicio, inizio",
            0.7: "begin, begins at, from date, scheduled start",
        },
        "priority": {
            1.0: "priority, prioritat, priorite, prioridad, priorita, prio",
            0.85: "urgency, importance, dringlichkeit, wichtigkeit, urgence, urgent",
            0.75: "severity, impact, schweregrad",
        },
        "labels": {
            1.0: "labels, tags, label, tag, schlagworte, stichworte, schlagworter, etiquettes,"
            " mots cles, etiquetas, etichette",
            0.85: "keywords, categories, topics, kategorien",
        },
    },
    "item": {
        "title": {**_TITLE, 1.0: _TITLE[1.0] + ", name", 0.92: _TITLE[0.92] + ", label"},
        "stage": {
            1.0: "stage, stage name, pipeline stage, status, state, phase, lifecycle stage,"
            " zustand, stand, statut, etat, etape, estado, stato",
            0.85: "financial status, payment status, pipeline status, list",
        },
        "owner": {
            **_ASSIGNEE,
            1.0: _ASSIGNEE[1.0] + ", owner, account manager, sales rep, salesperson, vertreter,"
            " betreuer, account owner, commercial",
        },
        "amount": {
            1.0: "amount, total, total price, grand total, betrag, summe, gesamtbetrag, montant,"
            " importe, importo, total amount, amount total, contract value",
            0.92: "value, price, wert, preis, valeur, prix, sum, valor, amount due, total incl tax",
            0.7: "revenue, expected revenue, weighted value, umsatz, volume, volumen, balance",
        },
        "date": {
            1.0: "close date, expected close date, closing date, invoice date, order date,"
            " abschlussdatum, rechnungsdatum, bestelldatum, date cloture, date facture",
            0.85: "date, datum, due date, fecha, data, issued on, issue date, issued at, placed at,"
            " date ordered, expected close, renewal date, fallig am, frist,"
            " signed on",
        },
    },
    "party": {
        "name": {
            1.0: "name, full name, display name, real name, vollstandiger name, nom complet,"
            " nombre",
            0.8: "title, company name, company, firma, organisation, nom, kontakt, anzeigename",
        },
        "email": {
            1.0: "email, e mail, mail, email address, mail address, e mail address, courriel,"
            " primary email, emails, correo, adresse mail",
        },
        "login": {
            0.92: "login, username, user name, handle, nickname, nick, screen name, login name,"
            " benutzername, identifiant, user principal name",
            0.7: "key, alias, slug, kurzel",
        },
        "handle": {0.95: "account id, accountid, user principal id"},
        "status": {
            1.0: "active, is active, enabled, is enabled, account enabled, account status,"
            " user status, aktiv, actif, activo",
            0.95: "status, inactive, deleted, is deleted, disabled, is disabled,"
            " deactivated, is deactivated, suspended, is suspended, archived, blocked, locked,"
            " gesperrt, inaktiv, desactive",
        },
    },
    "comment": {
        "body": {
            1.0: "body, text, comment, message, content, comment text, body text, kommentar,"
            " commentaire, comentario, notes, note, notiz, nachricht",
            0.85: "description, html body, plain body, inhalt, contenu, beschreibung, value",
        },
        "author": {
            1.0: "author, user, created by, creator, autor, verfasser, auteur, ersteller, autore",
            0.85: "from, sender, person, owner, member, member creator, posted by, commenter,"
            " erstellt von, sys created by, von",
        },
        "visibility": {
            1.0: "visibility, public, internal, private, is public, is private, is internal,"
            " sichtbarkeit, offentlich, intern, visibilite, private notes, private note",
        },
        "created_at": {
            1.0: "created at, created, created on, created date, date created, time created,"
            " creation date, erstellt am, erstellt, cree le, fecha creacion, sys created on",
            0.85: "timestamp, posted at, sent at, date, time, add time, datum, zeitpunkt,"
            " published",
        },
    },
}

DISQUALIFY = listed(
    "last, first, old, previous, prior, initial, original, modified, updated, update, "
    "changed, edited, count, total, number, num, template, default, parent, url, uri, "
    "link, href, avatar, image, icon, photo, color, colour, type, reason, created, "
    "creation, closed, completed, escalated, reminder, remind, reopened, won, lost, cc, "
    "history, audit, deleted, archived, estimated, actual, spent, sub, subtask, "
    "association, role, permission, level, rank, group, team, bot, followers, watchers, "
    "subscribers, votes, next, duration, position, sort, index, hash, token, secondary, "
    "letzte, geandert, anzahl, alt, weighted, formatted"
)
"""Words beside a name that make it something else: `last updated by` is nobody's assignee."""

FILLERS = listed(
    "the, a, an, of, on, at, by, to, for, is, in, der, die, das, am, an, von, le, la, de, "
    "du, des, date, time, datetime, day, at, field, current, primary, main, value, text, "
    "user, name, person, string, raw, full, localized, display, key, flag"
)
"""Words beside a name that change little."""

CONTAINERS = listed(
    "properties, fields, attributes, data, values, record, current, details, attrs, "
    "content, custom, object, item, resource, payload, result"
)
"""Objects on the way that only hold the fields."""

FACETS: Mapping[str, float] = {
    "login": 0.96, "account id": 1.0, "id": 0.93, "gid": 0.93, "uuid": 0.9, "key": 0.9,
    "username": 0.95, "user name": 0.95, "email": 0.94, "mail": 0.94, "email address": 0.93,
    "user principal name": 0.94, "name": 0.9, "value": 0.93, "display name": 0.84,
    "full name": 0.84, "real name": 0.84, "display value": 0.88, "label": 0.9, "text": 0.9,
    "title": 0.86, "code": 0.88, "slug": 0.86, "date": 0.98, "datetime": 0.98, "at": 0.98,
    "amount": 0.95, "symbol": 0.85, "type": 0.6, "category": 0.93, "raw": 0.85, "content": 0.9,
    "gravatar id": 0.1, "node id": 0.3, "html": 0.75, "plain": 0.92, "rendered": 0.7,
    "string": 0.88, "sys id": 0.93, "first name": 0.4, "last name": 0.4, "color": 0.2,
}  # fmt: skip
"""What an object beside its name is told by, and how well it tells: `assignee.login`."""

PERSON_FACETS = listed(
    "login, account id, id, gid, uuid, key, username, user name, email, mail, email "
    "address, user principal name, value, sys id, name, display name, full name, real "
    "name"
)
CHOICE_FACETS = listed(
    "name, value, key, label, id, gid, title, display value, text, code, slug, type, "
    "category, string"
)

VALUES: Mapping[str, Mapping[str, str]] = {
    "status": {
        "open": "open, new, to do, todo, not started, backlog, ready, reopened, submitted,"
        " reported,"
        " triage, unassigned, planned, received, draft, created, needs action, queued, requested,"
        " inbox, up next, selected for development, unstarted, offen, neu, zu erledigen,"
        " nicht begonnen, geplant, eingegangen, ouvert, ouverte, nouveau, nouvelle, a faire,"
        " non commence, abierto, nuevo, pendiente, por hacer, aperto, nuovo, da fare",
        "in_progress": "in progress, doing, working, working on it, active, started, in review,"
        " review, under review, escalated, assigned, wip, work in progress, in development,"
        " testing,"
        " in testing, qa, indeterminate, ongoing, investigating, accepted, processing,"
        " implementing, in arbeit, in bearbeitung, lauft, begonnen, angefangen, en cours, commence,"
        " en curso, en progreso, in corso, in lavorazione, acknowledged, code review, in process",
        "on_hold": "on hold, hold, waiting, pending, blocked, deferred, paused, suspended, stuck,"
        " waiting on someone else, waiting for customer, waiting on customer, waiting for support,"
        " awaiting caller, awaiting customer, waiting for approval, waiting on contact,"
        " waiting on us, snoozed, parked, feedback, impediment, wartet, wartend, warten, pausiert,"
        " zuruckgestellt, blockiert, angehalten, en attente, bloque, suspendu, en espera,"
        " in attesa,"
        " sospeso, postponed, waiting for third party, waiting for vendor",
        "done": "done, closed, completed, complete, resolved, solved, finished, fixed, delivered,"
        " shipped, released, merged, approved, erledigt, geschlossen, abgeschlossen, fertig,"
        " beendet, gelost, termine, terminee, ferme, fermee, resolu, resolue, fini, cerrado,"
        " completado, resuelto, hecho, terminado, chiuso, completato, risolto, fatto, verified",
        "cancelled": "cancelled, canceled, rejected, won t fix, wont fix, won t do, wont do,"
        " declined, invalid, duplicate, abandoned, not planned, obsolete, withdrawn, dropped,"
        " discarded, closed incomplete, closed skipped, abgebrochen, abgelehnt, storniert,"
        " verworfen, hinfallig, annule, annulee, refuse, rejete, cancelado, rechazado, annullato,"
        " rifiutato, cannot reproduce, archived, voided, expired",
    },
    "priority": {
        "urgent": "urgent, critical, highest, blocker, immediate, emergency, p0, sev1, sev 1,"
        " very high, asap, showstopper, dringend, kritisch, sofort, sehr hoch, hochste, critique,"
        " urgente, tres haute, critico, urgence, p1 critical",
        "high": "high, major, important, hoch, wichtig, haute, eleve, elevee, alta, alto, p1",
        "normal": "normal, medium, moderate, standard, regular, average, default, mittel,"
        " moyen, moyenne, normale, media, medio, p2",
        "low": "low, lowest, minor, trivial, planning, minimal, very low, niedrig, gering, tief,"
        " basse, bas, faible, baja, bajo, bassa, basso, p3, p4, nice to have, optional",
    },
    "presence": {
        "active": "active, enabled, activated, current, employed, present, confirmed, verified,"
        " invited, aktiv, actif, active user, activo, attivo",
        "inactive": "inactive, disabled, deactivated, deleted, suspended, archived, blocked,"
        " locked, removed, left, former, terminated, dormant, expired, banned, inaktiv, gesperrt,"
        " deaktiviert, inactif, desactive, inactivo",
    },
    "visibility": {
        "public": "public, external, everyone, all, customer, offentlich, publique, visible",
        "internal": "internal, private, team, staff, agents, hidden, intern, privat, interne,"
        " prive",
    },
    "waiting_on": {
        "internal": "internal, us, team, support, me, intern, agent, interne",
        "external": "external, customer, client, vendor, supplier, requester, caller, extern,"
        " kunde,"
        " lieferant, third party, externe, fournisseur",
        "system": "system, automation, bot, job, scheduler",
    },
    "kind": {
        "person": "person, user, human, atlassian, contact, individual, member, personne, people",
        "group": "group, team, queue, gruppe, groupe, department",
        "organisation": "organisation, organization, company, account, firma, societe, business",
        "system": "system, bot, app, service, integration, machine",
    },
}

TRUE_MEANS: Mapping[str, Mapping[str, str]] = {
    "status": {
        word: "done"
        for word in listed(
            "completed, complete, done, closed, resolved, finished, erledigt, abgeschlossen,"
            "fertig, termine, solved"
        )
    },
    "visibility": {
        "public": "public", "offentlich": "public", "visible": "public", "shared": "public",
        "internal": "internal", "private": "internal", "intern": "internal", "privat": "internal",
        "hidden": "internal",
    },
    "presence": {
        **dict.fromkeys(listed("active, enabled, activated, aktiv, actif, activo"), "active"),
        **dict.fromkeys(
            listed(
                "inactive, deleted, disabled, deactivated, suspended, archived, blocked, locked,"
                "gesperrt, inaktiv, desactive"
            ),
            "inactive",
        ),
    },
    "priority": {"urgent": "urgent", "dringend": "urgent", "important": "high", "starred": "high"},
}  # fmt: skip
"""What `true` means in a flag that is called so."""
FALSE_MEANS: Mapping[str, str] = {
    "done": "open", "public": "internal", "internal": "public", "urgent": "normal",
    "high": "normal", "active": "inactive", "inactive": "active",
}  # fmt: skip

ENTITY_NAMES: Mapping[str, str] = {
    "comment": "comment, comments, note, notes, reply, story, journal, worklog, annotation, remark,"
    " kommentar, notiz, commentaire",
    "party": "user, users, contact, person, people, member, customer, employee, agent, lead,"
    " company, organization, organisation, team, group, vendor, supplier, kontakt, benutzer, kunde,"
    " lieferant, personne, utilisateur, client",
    "item": "deal, opportunity, order, invoice, account, quote, contract, subscription, product,"
    " payment, asset, sale, purchase, bill, offer, project, shipment, auftrag, rechnung, angebot,"
    " vertrag, bestellung, commande, facture, devis, contrat",
    "task": "task, issue, ticket, case, card, row, incident, request, activity, todo, story point,"
    " bug, change, problem, work item, aufgabe, vorgang, tache, workitem, pull request, message",
}
KINDS: Mapping[str, str] = {
    "opportunity": "deal", "sale": "deal", "auftrag": "order", "bestellung": "order",
    "rechnung": "invoice", "bill": "invoice", "angebot": "quote", "offer": "quote",
    "commande": "order", "facture": "invoice", "devis": "quote", "vertrag": "contract",
    "contrat": "contract", "purchase": "order",
}  # fmt: skip
"""The word the hub's own examples use for an object that tools call otherwise."""
CUSTOMERS = listed(
    "contact, customer, lead, client, prospect, vendor, supplier, kunde, kontakt, interessent,"
    " lieferant, fournisseur, cliente"
)
"""Objects whose records are people and companies outside, none of which signs in anywhere."""
ORGANISATIONS = listed("company, organization, organisation, vendor, supplier, lieferant")
GROUPS = listed("team, group, department, gruppe, groupe")
