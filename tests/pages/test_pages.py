"""The pages as a person meets them: the mailed link, the evidence, the decision, the second click, the page's own door."""

import urllib.parse

from tests.scenarios.test_gates import APPROVER, cutover, gates
from tests.scenarios.wave import plan, until

SCENARIOS = {"paged": 3, "scanned": 2, "drifted": 2, "doubled": 2}


def test_a_person_reads_the_evidence_and_approves_with_the_keyboard(scene, browser):
    wave = scene.apply(plan("paged"))
    link = wave.link()

    opened = browser.do("open", url=link)
    assert opened["status"] == 200
    assert opened["asked"] == [link], "the page loads nothing else"
    assert "refresh" not in opened["headers"], "a page with a form stays"
    policy = opened["headers"]["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe-inline" not in policy
    seen = browser.do("look")
    assert seen["title"] == "Cut over paged? · Tidegate"
    for word in ["3 servers", "Decide by", "paged01", "paged03", "ops@example.com", "Evidence"]:
        assert word in seen["text"], word
    assert browser.do("pictures", name="question")["wide"] == []
    assert browser.do("rules", url=link)["broken"] == []
    assert wave.status()["phase"] == "AwaitingCutover", "looking decides nothing"

    browser.do("open", url=link)
    assert browser.do("tabTo", name="Skip to the content")["passed"] == ["Skip to the content"]
    browser.do("tabTo", name="reason")
    browser.do("type", text="looks <b>good</b>")
    browser.do("tabTo", name="Approve")
    sent = browser.do("pressAndWait", key="Enter")
    assert (sent["status"], sent["method"]) == (200, "POST")
    assert sent["headers"]["sec-fetch-site"] == "same-origin"
    assert "referer" not in sent["headers"], "the address carries the token"
    recorded = browser.do("look")
    assert "Approval recorded" in recorded["text"]
    assert browser.do("pictures", name="recorded")["wide"] == []

    again = browser.do("open", url=link)
    assert again["status"] == 410
    told = browser.do("look")["text"]
    assert "Too late" in told and "This link was used: ops@example.com approved the cutover gate with it at" in told
    assert browser.do("pictures", name="too-late")["wide"] == []

    end = wave.until_ended()
    assert end["phase"] == "Completed"
    browser.do("open", url=link)
    told = browser.do("look")["text"]
    assert "was approved by ops@example.com at" in told
    timeline = scene.tidegate("timeline", "paged")
    assert timeline.count("ops@example.com approved") == 1


def test_who_approves_twice_is_counted_once_and_another_comes_by_the_page(scene, browser):
    approvers = ["ops@example.com", APPROVER]
    wave = scene.apply(plan("doubled", gates=gates(approvers=approvers, quorum=2)))
    link = wave.link()
    for window in ("second", "first"):
        browser.do("window", name=window)
        assert browser.do("open", url=link)["status"] == 200
    browser.do("tabTo", name="Approve")
    sent = browser.do("pressAndWait", key="Enter")
    assert (sent["status"], sent["method"]) == (200, "POST")
    assert "Approval recorded" in browser.do("look")["text"]

    # The browser kept nothing of the form: whoever goes back is told.
    assert browser.do("back") == {"status": 410, "method": "GET"}
    told = browser.do("look")
    once = "This link was used: ops@example.com approved the cutover gate with it at"
    assert once in told["text"] and "Withdraw the approval" in told["text"]
    assert 'value="approve"' not in told["source"]

    # The form that was open in another window can still be sent.
    browser.do("window", name="second")
    browser.do("tabTo", name="Approve")
    again = browser.do("pressAndWait", key="Enter")
    assert (again["status"], again["method"]) == (410, "POST")
    told = browser.do("look")["text"]
    assert once in told and "a link counts once" in told
    wave.until(lambda seen: cutover(seen).get("approved_by") == ["ops@example.com"])

    browser.do("open", url=scene.tidegate("page", "doubled", approving=True).strip())
    browser.do("tabTo", name="Look at the evidence and decide")
    assert browser.do("pressAndWait", key="Enter")["status"] == 200
    seen = browser.do("look")["text"]
    assert APPROVER in seen and "1 of 2: ops@example.com" in seen
    assert cutover(wave.status())["state"] == "open", "one person is no quorum, however often they press"
    browser.do("tabTo", name="Approve")
    sent = browser.do("pressAndWait", key="Enter")
    assert (sent["status"], sent["method"]) == (200, "POST")
    assert "Approval recorded" in browser.do("look")["text"]
    assert wave.until_ended()["phase"] == "Completed"
    timeline = scene.tidegate("timeline", "doubled")
    for who in approvers:
        assert timeline.count(f"{who} approved") == 1, timeline


def test_the_wave_at_a_glance(scene, browser):
    # The wave that the test before ran.
    console = scene.sandbox.outputs["ConsoleUrl"]
    address = scene.tidegate("page", "paged").strip()
    assert address.startswith(f"{console}/wave?view=")
    opened = browser.do("open", url=address)
    assert opened["status"] == 200 and opened["asked"] == [address]
    assert "refresh" not in opened["headers"], "an ended wave changes no more"
    seen = browser.do("look")
    for word in ["Completed", "Cutover gate: approved", "paged01", "finalized", "Timeline"]:
        assert word in seen["text"], word
    assert browser.do("pictures", name="wave-completed")["wide"] == []
    assert browser.do("rules", url=address)["broken"] == []

    for hostile in ["stage=%3Cscript%3E", "application=..%2F", "page=-1", "page=9999999999999999999", "view=", "x"]:
        status = browser.do("open", url=f"{address}&{hostile}")["status"]
        assert status == (403 if hostile == "view=" else 200), hostile
        assert "<script" not in browser.do("look")["source"]


def test_a_changed_launch_template_is_seen_before_the_decision(scene, browser):
    scene.choose_types("drifted")
    wave = scene.apply(plan("drifted"))
    first = wave.link()
    scene.resize("drifted01", "m5.xlarge")
    wave.until(lambda seen: any(gate["shown"] and gate["shown"]["changed"] for gate in seen["gates"]))
    link = until(lambda: (newest := wave.link()) != first and newest)
    opened = browser.do("open", url=link)
    assert opened["status"] == 200
    difference = "instance type was t3.medium, is m5.xlarge"
    text = browser.do("look")["text"]
    assert f"Changed since the test. Would be launched otherwise than tested: {difference}: drifted01." in text
    assert f"drifted01 would be launched otherwise: {difference}" in text
    assert "1 launch setting changed since its test" in text
    assert browser.do("pictures", name="changed")["wide"] == []
    assert browser.do("rules", url=link)["broken"] == []


def test_a_mail_scanner_that_follows_every_link_decides_nothing(scene, browser):
    wave = scene.apply(plan("scanned"))
    link = wave.link()
    address = scene.tidegate("page", "scanned").strip()
    opened = browser.do("open", url=address)
    assert opened["headers"]["refresh"] == "15"
    assert browser.do("pictures", name="wave-asking")["wide"] == []
    assert browser.do("rules", url=address)["broken"] == []
    seen, waiting = set(), [link, address]
    while waiting:
        url = waiting.pop()
        seen.add(url)
        assert browser.do("open", url=url)["status"] == 200, url
        for found in browser.do("links")["links"]:
            if found not in seen and found not in waiting and urllib.parse.urlsplit(found).query and len(seen) < 40:
                waiting.append(found)
    assert len(seen) > 3
    shown = wave.status()
    assert shown["phase"] == "AwaitingCutover"
    assert next(gate for gate in shown["gates"] if gate["gate"] == "cutover")["approved_by"] == []

    browser.do("open", url=link)
    browser.do("tabTo", name="Reject")
    assert browser.do("pressAndWait", key="Space")["status"] == 200
    wave.until(lambda seen: seen["held"])
    assert browser.do("open", url=link)["status"] == 410
    assert "was rejected by ops@example.com at" in browser.do("look")["text"]
    browser.do("open", url=address)
    assert "Held since" in browser.do("look")["text"]
    assert browser.do("pictures", name="wave-held")["wide"] == []
