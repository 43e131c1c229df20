"""Invented names, companies, streets and products for generated orders."""

from __future__ import annotations

NAMES = (
    "Jan de Vries",
    "Anneke van den Berg",
    "Sjoerd Hoekstra",
    "Fatima el Amrani",
    "Willem-Jan 't Hart",
    "Zoë Kühn",
    "Daniëlle Peeters",
    "Łukasz Wójcik",
    "Søren Ångström",
    "Nguyễn Thị Hạnh",
    "Ren\u0065\u0301 Dupont",
    "王 小明",
    "Tjitske Sijtsma",
    "Ömer Yılmaz",
    "Noor Bakker 🌻",
)
COMPANIES = (
    None,
    None,
    "Bakkerij De Korenaar",
    "Technische Unie Zwolle B.V.",
    "Installatiebedrijf Jansen & Zn.",
    "Café ’t Hoekje",
    "Château Lumière SPRL",
    "Groothandel Noord",
    "Ærø Handel ApS",
)
REMARKS = (None, None, "Graag voor 10:00 leveren", "Cadeau 🎁 voor Zoë", "Bellen bij aankomst\nniet stapelen")
STREETS = (
    "Dorpsstraat",
    "Burg. van Tuyllstraat",
    "Prinsengracht",
    "Laan van Nieuw-Oost-Indië",
    "’s-Gravelandseweg",
    "Rue de l’Église",
    "Königsallee",
    "Ringdijk",
)
ADDITIONS = (None, None, None, "A", "bis", "II", "t/o 14", "1-hoog")
PLACES = (
    ("1234 AB", "Amsterdam", "NL", None),
    ("3511LN", "Utrecht", "NL", None),
    ("9711 AA", "Groningen", "NL", None),
    ("5211 ZZ", "’s-Hertogenbosch", "NL", None),
    ("8911 BB", "Ljouwert", "NL", None),
    ("2000", "Antwerpen", "BE", None),
    ("1000", "Brussel", "BE", None),
    ("40212", "Düsseldorf", "DE", "NW"),
    ("59000", "Lille", "FR", None),
    ("DK-2100", "København Ø", "DK", None),
    ("SW1A 1AA", "London", "GB", None),
)
"""Postal code, city, country, subdivision."""

CURRENCIES = {1: ("EUR",), 2: ("EUR", "EUR", "GBP"), 3: ("EUR", "CHF", "SEK", "PLN", "USD")}
"""Currency of each web shop."""

UNITS = ("STUK", "DOOS", "SET", "ROL")
GOODS = tuple(
    (f"{100 + number}_{UNITS[number % 4]}", f"{name}, nr. {number}", 245 + number * 737 % 18900)
    for number, name in enumerate(
        (
            "Deurklink messing",
            "Wandlamp",
            "Verfroller",
            "Café-stoel",
            "Plafonnière",
            "Kabelgoot 2 m",
            "Schroeven M6",
            "Tegellijm",
            "Boormachine",
            "Führungsschiene",
        )
        * 6
    )
)
"""Product key (article and unit), description, unit price in cents without tax."""
BY_WEIGHT = tuple(
    (f"{900 + number}_KG", f"{name} per kg", 315 + number * 45)
    for number, name in enumerate(("Kiezels", "Zand", "Tegelzout"))
)
