#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make geoip/country.def: a point and a continent for every ISO 3166 country.

Points are the first row of each country in tzdata's zone.tab (public domain), its most populous zone where geography
allows, but for the countries below, whose first row is an outlier. Continents are the usual seven.

    scripts/geo_points.py [/usr/share/zoneinfo/zone.tab] > geoip/country.def
"""
import re
import sys

ZONE = {"AU": "Australia/Sydney", "BR": "America/Sao_Paulo", "CA": "America/Toronto", "RU": "Europe/Moscow",
        "UA": "Europe/Kyiv", "UZ": "Asia/Tashkent", "FM": "Pacific/Pohnpei"}
BY_HAND = {"XK": (42.67, 21.17), "BV": (-54.42, 3.36), "HM": (-53.1, 73.51)}
CONTINENTS = {
    "AFRICA": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA MG ML MR MU MW MZ NA "
              "NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "ANTARCTICA": "AQ BV GS HM TF",
    "ASIA": "AE AF AM AZ BD BH BN BT CC CN CX GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK MM MN MO MV MY NP OM "
            "PH PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE",
    "EUROPE": "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE LI LT LU LV MC MD ME MK "
              "MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    "NORTH_AMERICA": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX NI PA PM PR SV SX "
                     "TC TT US VC VG VI",
    "OCEANIA": "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS",
    "SOUTH_AMERICA": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
}


def degrees(text, digits):
    sign = -1 if text[0] == "-" else 1
    d, m, s = int(text[1:1 + digits]), int(text[1 + digits:3 + digits]), int(text[3 + digits:] or 0)
    return round(sign * (d + m / 60 + s / 3600), 2)


def points(path):
    found, missing = {}, dict(ZONE)
    with open(path, encoding="utf-8") as table:
        for line in table:
            if line.startswith("#"):
                continue
            code, where, zone = line.split("\t")[:3]
            lat, lon = re.match(r"([+-]\d+)([+-]\d+)", where).groups()
            if code not in found or zone.strip() == ZONE.get(code):
                found[code] = (degrees(lat, 2), degrees(lon, 3))
            if zone.strip() == missing.get(code):
                del missing[code]
    if missing:
        sys.exit(f"{path} has no {missing}")
    found.update(BY_HAND)
    return found


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/zoneinfo/zone.tab"
    found = points(path)
    try:
        with open(path.replace("zone.tab", "tzdata.zi"), encoding="utf-8") as zi:
            version = zi.readline().strip().removeprefix("# version ")
    except OSError:
        version = "unknown"
    print(f"/* SPDX-License-Identifier: Apache-2.0\n *\n * Made by scripts/geo_points.py from zone.tab of tzdata {version} "
          "(public domain), in order of code.\n *   COUNTRY(code, continent, latitude, longitude)\n */\n/* clang-format off */")
    rows = {code: name for name, codes in CONTINENTS.items() for code in codes.split()}
    if set(found) - set(rows):
        sys.exit(f"no continent for {sorted(set(found) - set(rows))}")
    for code in sorted(rows):
        lat, lon = found.get(code, (None, None))
        if lat is not None:
            print(f"COUNTRY({code}, {rows[code]}, {lat}, {lon})")
    print("/* clang-format on */")


main()
