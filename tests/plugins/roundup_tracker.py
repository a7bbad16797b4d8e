"""Makes and serves a Roundup tracker. Runs in Roundup's own environment; ``roundup_server`` starts it.

``make HOME``: a tracker of the classic template with what the plugin's set-up guide asks for.
``serve HOME URL SECRET``: serves it on a free port, which it prints; webhooks go to the URL.
"""

import shutil
import socket
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import waitress
from roundup import instance
from roundup.cgi.wsgi_handler import RequestDispatcher
from roundup.configuration import CoreConfig
from roundup.password import Password

GUIDE = Path(__file__).parent.parent.parent / "examples/deskhand-roundup/src/deskhand_roundup/setup"
TEAMS = """
team = Class(db, "team", name=String())
team.setkey("name")
db.getclass("issue").addprop(team=Link("team"))
for role in ("User", "Deskhand"):
    db.security.addPermissionToRole(role, "View", "team")
"""
# A user called "hurried" gets three calls a minute: Roundup's documented way of limits per user.
LIMITS = """
from datetime import timedelta
from roundup.rate_limit import RateLimit
from roundup.rest import RestfulInstance


def limit(self):
    hurried = self.db.user.get(self.db.getuid(), "username") == "hurried"
    return RateLimit(3, timedelta(minutes=1)) if hurried else None


RestfulInstance.getRateLimit = limit
"""
USERS = (("deskhand", "Deskhand"), ("hurried", "Deskhand"), ("ines", "User"), ("requester", "User"))


def admin(home: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "roundup.scripts.roundup_admin", "-i", str(home), *arguments], check=True)


def make(home: Path) -> None:
    admin(home, "install", "classic", "sqlite")
    configure(home, "http://127.0.0.1/")
    schema = home / "schema.py"
    schema.write_text(schema.read_text() + (GUIDE / "schema_addition.py.txt").read_text() + TEAMS)
    shutil.copy(GUIDE / "deskhand_webhook.py", home / "detectors")
    point_webhooks(home, "http://127.0.0.1:9/", "none")
    (home / "interfaces.py").write_text(LIMITS)
    admin(home, "initialise", "admin-password")
    db = instance.open(str(home)).open("admin")
    for user, role in USERS:
        password = Password(f"{user}-password", config=db.config)
        db.user.create(username=user, password=password, address=f"{user}@corp.test", roles=role)
    for team in ("Service Desk", "Network"):
        db.team.create(name=team)
    db.keyword.create(name="VPN")
    db.commit()
    db.close()


def configure(home: Path, address: str) -> None:
    config = CoreConfig(str(home))
    config["TRACKER_WEB"] = address
    config["MAIL_DOMAIN"] = "corp.test"
    config["MAIL_HOST"] = "127.0.0.1"
    config["MAIL_DEBUG"] = str(home / "mail.log")  # mail goes to this file
    config["PASSWORD_PBKDF2_DEFAULT_ROUNDS"] = 1000  # every call signs in, and a strong hash takes half a second
    config.save()


def point_webhooks(home: Path, url: str, secret: str) -> None:
    file = home / "detectors" / "config.ini"
    detectors = ConfigParser(interpolation=None)
    detectors.read(file)
    detectors["deskhand"] = {"url": url, "secret": secret}
    with file.open("w") as out:
        detectors.write(out)


def serve(home: Path, url: str, secret: str) -> None:
    point_webhooks(home, url, secret)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    configure(home, address)  # writes are refused unless they name the tracker's own address
    server = waitress.create_server(RequestDispatcher(str(home)), sockets=[listener], threads=4)
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    {"make": make, "serve": serve}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
