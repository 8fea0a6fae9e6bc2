#!/usr/bin/env python3
"""Converts MovieLens-1M as GroupLens distributes it into the CSV files that configs/ml1m.toml reads.

    curl -O https://files.grouplens.org/datasets/movielens/ml-1m.zip && unzip ml-1m.zip
    examples/movielens.py ml-1m data/ml1m

GroupLens's terms (ml-1m/README) allow research and no redistribution. The split is that of CoLLM (arXiv 2310.19488): of the ratings from
June 2001 to January 2003 the first ten months are train, the next five valid, the last five test (UTC); label 1 is a rating above 3.

OUT/documents.csv: document (MovieLens's movie), title, year, genres (joined by a space), poster; the films that the events show.
OUT/events.csv: split, time_ms, user, document, label, in order of time. MovieLens tells seconds, and people rate several films in one: the
milliseconds count a user's ratings of one second, in the order of ratings.dat, so that histories have an order.
poster, which configs/ml1m-posters.toml alone reads, is posters/<movie>.jpg where OUT has such a file: MovieLens itself has no pictures.
"""
import argparse
import csv
import re
import sys
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

SPLITS = [("train", datetime(2001, 6, 1)), ("valid", datetime(2002, 4, 1)), ("test", datetime(2002, 9, 1)), (None, datetime(2003, 2, 1))]
PUBLISHED = {"train": 33891, "valid": 10401, "test": 7331}


def read(path, columns):
    """Yields the fields of each line of a file of MovieLens's, checked for their number."""
    with open(path, encoding="latin-1") as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip("\r\n").split("::")
            if len(fields) != columns:
                sys.exit(f"movielens: {path} line {number}: {len(fields)} fields, expected {columns}")
            yield fields


def split_of(seconds):
    """Returns the split of a time, None outside of the twenty months."""
    found = None
    for name, begin in SPLITS:
        if seconds >= begin.replace(tzinfo=timezone.utc).timestamp():
            found = name
    return found


def read_events(folder):
    ratings = [(int(seconds), user, movie, rating) for user, movie, rating, seconds in read(folder / "ratings.dat", 4)]
    ratings.sort(key=lambda rating: rating[0])  # stable: those of one second stay in the order of the file
    in_second = Counter()
    events = []
    for seconds, user, movie, rating in ratings:
        if (split := split_of(seconds)) is None:
            continue
        events.append([split, seconds * 1000 + in_second[user, seconds], user, movie, int(int(rating) > 3)])
        in_second[user, seconds] += 1
    return sorted(events, key=lambda event: event[1])


def read_documents(folder, shown, out):
    for movie, title, genres in read(folder / "movies.dat", 3):
        if movie not in shown:
            continue
        year = re.search(r"\((\d{4})\)\s*$", title)
        poster = f"posters/{movie}.jpg"
        yield [movie, title, year[1] if year else "", " ".join(genres.split("|")), poster if (out / poster).exists() else ""]


def write(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="ml-1m, with ratings.dat and movies.dat")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    for name in ("ratings.dat", "movies.dat"):
        if not (arguments.folder / name).is_file():
            sys.exit(f"movielens: {arguments.folder} has no {name}; expected the folder of GroupLens's ml-1m.zip")
    events = read_events(arguments.folder)
    documents = list(read_documents(arguments.folder, {event[3] for event in events}, arguments.out))
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "documents.csv", ["document", "title", "year", "genres", "poster"], documents)
    write(arguments.out / "events.csv", ["split", "time_ms", "user", "document", "label"], events)
    found = Counter(event[0] for event in events)
    print(f"{len(documents)} films; " + ", ".join(f"{found[name]} {name}" for name in PUBLISHED))
    if found != PUBLISHED:
        print("movielens: the published split has " + ", ".join(f"{rows} {name}" for name, rows in PUBLISHED.items()), file=sys.stderr)


if __name__ == "__main__":
    main()
