"""Invented names, shops and products for generated orders."""

from __future__ import annotations

PLAIN_NAMES = (
    "Ann Miller",
    "Robert Hughes",
    "Maria Lopez",
    "James O'Neill",
    "Linda Park-Jones",
    "Tom van Dyke",
    "Grace Lee",
    "Paul Smith",
    "Emily Stone",
    "Carlos Diaz",
    "Susan White",
    "Victor Hall",
    "Nina Brown",
    "Peter Gray",
    "Ruth Adams",
)
WORLD_NAMES = (
    "José Núñez",
    "Zoë Kühn",
    "François Lefèvre",
    "Łukasz Wójcik",
    "Þóra Jónsdóttir",
    "Søren Ångström",
    "Nguyễn Thị Hạnh",
    "山田 太郎",
    "王 小明",
    "김 민지",
    "Мария Иванова",
    "Ελένη Παππά",
    "محمد الحسن",
    "שרה לוי",
    "Ana 🌻 Sol",
    "Ren\u0065\u0301 Dupont",
    "İpek Şahin",
    "देवी शर्मा",
)
SHOPS = (
    "Harbor Lights LLC",
    "Oak & Iron",
    "The Corner Nook",
    "Blue Door Interiors",
    "Maple Home Goods",
    "Lumière Décor",
    "Casa Señor",
    "North Star Gifts",
    "Willow & Wren",
    "Studio 12½",
    "Kätzchen & Co.",
    "光の店",
)
ONE_WORD = ("Madonna", "Björk", "さくら", "Prince")
STREETS = ("Elm Street", "2nd Avenue", "Harbor Road", "Main Street", "Rua das Flores", "Königsallee", "Larkspur Lane")
PLACES = (
    ("Phoenix", "AZ", "85001", "US"),
    ("San Luis Obispo", "CA", "93405", "US"),
    ("Portland", "OR", "97201", "US"),
    ("Austin", "TX", "78701", "US"),
    ("Columbus", "OH", "43085", "US"),
    ("Tampa", "FL", "33602", "US"),
    ("Boise", "ID", "83702", "US"),
    ("Rochester", "NY", "14604", "US"),
    ("Dover", "DE", "19901", "US"),
)
PLACES_ABROAD = (
    ("Toronto", "ON", "M5V 2T6", "CA"),
    ("Montréal", "QC", "H2Y 1C6", "CA"),
    ("München", None, "80331", "DE"),
    ("London", None, "SW1A 1AA", "GB"),
    ("東京都", None, "100-0001", "JP"),
    ("São Paulo", "SP", "01310-100", "BR"),
)
SHIP_VIA = ("UPS Ground", "FedEx Home", "Best Way", "UPS Ground", None)
TERMS = ("Net 30", "Net 60", "Prepaid", "Credit Card", None)
NOTES = (
    None,
    None,
    None,
    "Please leave at the back door.",
    "Call before delivery",
    "Ship complete\nno backorders",
    "Merci beaucoup — à bientôt!",
    "Gift 🎁 for Zoë",
    "deliver after 10:00; attn. receiving dock #4",
    "",
)
REPS = ("Dana Fields", "Jörg Ammann", "Kim Sato", "Alex Rivera")
GOODS = tuple(
    (f"{stem}-{number}", f"{adjective} {stem.lower()}, no. {number}", 499 + (number * 737 + len(stem) * 1213) % 28900)
    for stem, adjective in (
        ("LAMP", "Table"),
        ("VASE", "Glazed"),
        ("RUG", "Woven"),
        ("CHAIR", "Oak"),
        ("FRAME", "Brass"),
        ("CLOCK", "Wall"),
        ("PILLOW", "Linen"),
        ("THROW", "Wool"),
    )
    for number in range(1, 13)
)
"""Item number, description, unit price in cents."""
