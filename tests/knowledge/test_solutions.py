"""Resolutions as technicians write them: which of them somebody with the same problem learns from."""

from __future__ import annotations

import pytest

from deskhand.knowledge.solutions import LEAST_LETTERS, is_solution

SAYS_NOTHING = [
    "Done",
    "done.",
    "DONE!!!",
    "Fixed",
    "Fixed it",
    "It is fixed now.",
    "Solved",
    "Issue solved",
    "Resolved",
    "Resolved.",
    "Resolved, thanks",
    "Issue has been resolved.",
    "The problem was resolved",
    "Closed",
    "Closing the ticket",
    "Ticket closed",
    "closed by script",
    "Auto closed",
    "Completed",
    "Request completed, closing.",
    "OK",
    "ok, works now",
    "Works again",
    "Works fine now, thank you",
    "Working again. Thanks!",
    "User confirmed",
    "Confirmed by user, closing ticket",
    "The caller confirms it works.",
    "No further action required",
    "n/a",
    "na",
    "none",
    "-",
    "--",
    "...",
    "?",
    "x",
    "see above",
    "See email",
    "as per phone call",
    "per mail",
    "Duplicate",
    "Duplicate of the above",
    "Thanks",
    "Thank you, all good.",
    "Gave workaround",
    "Solution provided",
    "No resolution provided",
    "Closed before close notes were made mandatory",
    "This incident is resolved.",
    "asdasdasdsad",
    "test test test",
    "xxxxxxxxxxxx",
    "Erledigt",
    "erledigt!",
    "Ist erledigt.",
    "Ticket geschlossen",
    "Problem gelöst",
    "Das Problem ist gelöst.",
    "Behoben",
    "Wurde behoben, danke",
    "Funktioniert wieder.",
    "Alles wieder gut",
    "Fertig",
    "Anfrage abgeschlossen",
    "Keine weiteren Maßnahmen nötig",
    "siehe oben",
    "siehe Mail",
    "Per Telefon erledigt",
    "Résolu",
    "Problème résolu"[9:],
    "Ça marche, merci",
    "Le ticket est fermé",
    "Demande terminée"[:7],
    "Clos",
    "Fait.",
    "Resuelto",
    "El ticket se ha resuelto",
    "Hecho, gracias",
    "Cerrado",
    "Ya funciona"[3:],
    "Resolvido",
    "O chamado foi fechado",
    "Concluído, obrigado",
    "Feito",
    "Pedido concluído",
    "1234",
    "<>",
    "\u00a0\u200b",
    "\U0001f44d",
]
SAYS_HOW = [
    "Restarted the print spooler.",
    "Walked him through settng his password, again.",
    "As this is intermittent. Restarting the PC fixes this.",
    "Reverted to a previous version.",
    "Gave workaround: print from the browser",
    "restarted",
    "Rebooted the router on floor 2",
    "Done: replaced the toner cartridge",
    "Fixed by clearing the browser's cache",
    "Resolved after updating the VPN client to 5.1.2",
    "Reset the password and unlocked the account.",
    "Added the user to the group FIN-Readers",
    "Closed the port 445 on the firewall",
    "Reinstalled Outlook, rebuilt its profile",
    "Driver 22.4 installed",
    "Disabled power management of the network adapter.",
    "Increased the mailbox's quota to 50 GB",
    "Extended the volume /var on srv-db-02",
    "Renewed the certificate of mail.example.com",
    "Exchanged the battery",
    "Swapped cable at patch panel B12",
    "User had caps lock on",
    "Working again after DHCP lease was renewed",
    "See KB0010234",
    "Treiber neu installiert.",
    "Toner getauscht",
    "Passwort zurückgesetzt und Konto entsperrt",
    "Gelöst: Zertifikat des Gateways erneuert",
    "Postfach vergrößert",
    "Drucker neu gestartet, Warteschlange geleert",
    "Netzwerkkabel in Raum 204 ersetzt",
    "Benutzer in die Gruppe Vertrieb aufgenommen",
    "Mot de passe réinitialisé",
    "Pilote de l'imprimante réinstallé",
    "Câble remplacé au bureau 12",
    "Cache du navigateur vidé",
    "Se reinició el servidor de impresión",
    "Contraseña restablecida",
    "Se cambió el cable de red",
    "Reinstalei o driver da impressora",
    "Senha redefinida no diretório",
    "Substituído o cabo de rede",
    "プリンターを再起動しました",
    "重新启动了打印机",
    "Перезапустили службу печати",
    "プリンタ交換",
    "Reset MFA token",
    "chkdsk /f, then reboot",
    "gpupdate /force",
    "Set-Mailbox -Identity ann -ProhibitSendQuota 50GB",
]


@pytest.mark.parametrize("words", SAYS_NOTHING)
def test_words_that_only_say_that_it_is_over(words: str) -> None:
    assert not is_solution(words)


@pytest.mark.parametrize("words", SAYS_HOW)
def test_words_that_say_how(words: str) -> None:
    assert is_solution(words)


@pytest.mark.parametrize("around", ["{}", "  {}\n", "**{}**", "> {}", "{}.\n\nThanks!", "Done. {}", "{} Erledigt."])
def test_what_stands_around_it_changes_nothing(around: str) -> None:
    assert is_solution(around.format("Restarted the spooler"))
    assert not is_solution(around.format("Done"))


def test_a_long_text_is_read_at_its_beginning() -> None:
    assert not is_solution("done " * 100_000)
    assert is_solution("Restarted the spooler. " * 100_000)
    assert not is_solution("relogin"[: LEAST_LETTERS - 1])
    assert is_solution("rebooted"[:LEAST_LETTERS])
