"""What a user does in Airflow's pages, from the connection to what was landed.

Each test goes on where the one before it ended.
"""

from __future__ import annotations

import json
import re

import pytest

from mailpartner_provider.get_provider_info import DEFAULT_BASE_URL
from tests.campaigns.ui.history import put_history
from tests.support.days import today

pytestmark = pytest.mark.usefixtures("picture_of_failure")

DAG_ID, TASK_ID, CONN_ID = "mailpartner_daily_s3", "land_unsubscribes", "mailpartner_default"
SNAPSHOTS, CHANGES = "mailpartner/unsubscribes", "mailpartner/unsubscribe_changes"


def test_connection_form(page, account, picture):
    """The form of Mail Partner asks for the API key, hidden, for the Base URL, and for three
    extras; a connection is saved with it."""
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Connection ID").fill(CONN_ID)
    form.get_by_label("Connection Type").fill("Mail Partner")
    page.get_by_role("option", name="Mail Partner", exact=True).click()

    key, base_url = form.get_by_label("API key"), form.get_by_label("Base URL")
    expect(base_url).to_have_attribute("placeholder", DEFAULT_BASE_URL)
    for hidden in ("Login", "Port", "Schema"):
        expect(form.get_by_label(hidden)).to_have_count(0)
    key.fill(account.key)
    expect(key).to_have_attribute("type", "password")
    picture("connection", of=form)
    base_url.fill(account.url)
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    expect(form.get_by_label("Connect time-out (seconds)")).to_have_value("10")
    expect(form.get_by_label("Read time-out (seconds)")).to_have_value("60")
    expect(form.get_by_text("Key for hashed e-mails")).to_be_visible()
    picture("connection-extras", of=form)
    form.get_by_role("button", name="Save").click()

    expect(row_of_connection(page)).to_contain_text(account.url)


@pytest.mark.parametrize(
    ("right", "answer"),
    [
        (False, "the API key is wrong: correct it (code 10, "),
        (True, "Connected to Mail Partner: 269082 mail credits, balance 10225.119 EUR"),
    ],
    ids=["wrong", "right"],
)
def test_connection_test(page, account, picture, right, answer):
    """The button Test says what the account has left, or what to mend, and never the key."""
    give_a_port(page)
    key = account.key if right else "not-the-key-of-anybody"
    page.goto("/connections")
    row = row_of_connection(page)
    row.get_by_role("button", name="Edit Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_label("API key").fill(key)
    form.get_by_role("button", name="Save").click()
    form.wait_for(state="hidden")

    row.get_by_role("button", name="Test Connection").click()

    expect(page.get_by_role("status").filter(has_text="Test Connection")).to_contain_text(answer)
    picture("right-key" if right else "wrong-key")
    assert key not in page.content()


def test_run(page, lake, picture):
    """The example, triggered by hand, lands the list."""
    put_history(lake, SNAPSHOTS, CHANGES, today(), rows=10_000)
    page.goto(f"/dags/{DAG_ID}")
    page.get_by_role("button", name="Trigger Dag").click()
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url(re.compile("/runs/manual__"))

    open_task(page)

    expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    picture("run")


def test_log(page, account, picture):
    """The log of the task says what it did, and does not show the key."""
    open_task(page)

    log = page.get_by_role("code").filter(has_text="10,000 unsubscribes")
    expect(log.first).to_be_visible()
    expect(
        page.get_by_text(f"Landing the snapshot of {today()} (from the run's").first
    ).to_be_visible()
    picture("log")
    assert account.key not in page.content()


def test_xcom(page, picture):
    """The receipt is the task's XCom."""
    open_task(page, "/xcom")

    expect(page.get_by_role("cell", name="return_value")).to_be_visible()
    page.get_by_role("button", name="Expand all extra JSON").click()
    expect(page.get_by_text('"snapshot_date"').first).to_be_visible()
    picture("xcom")


def test_first_click(page, picture):
    """The task's link leads to its receipt before the page knows the destination, says what to
    paste, and leads back to the task."""
    open_task(page, "/details")

    page.get_by_role("link", name="Landed partition").click()

    landing = page.frame_locator("iframe")
    expect(landing.get_by_role("heading", name=f"Landing of {today()}")).to_be_visible()
    expect(landing.get_by_text(json.dumps([f"s3://aws_default@lake/{SNAPSHOTS}"]))).to_be_visible()
    picture("first-click")
    landing.get_by_role("link", name="Open the task run").click()
    expect(landing.get_by_text("Success", exact=True).first).to_be_visible()


def test_link(page, picture):
    """Once the page knows the destination, the link leads to the receipt and the days before."""
    destinations = [f"s3://aws_default@lake/{folder}" for folder in (SNAPSHOTS, CHANGES)]
    variable = {"key": "mailpartner_destinations", "value": json.dumps(destinations)}
    assert page.request.post("/api/v2/variables", data=variable).ok
    open_task(page, "/details")

    page.get_by_role("link", name="Landed partition").click()

    landing = page.frame_locator("iframe")
    expect(landing.get_by_role("heading", name=f"Landing of {today()}")).to_be_visible()
    expect(landing.get_by_text("manual__")).to_be_visible()
    expect(landing.get_by_role("img")).to_have_count(2)
    picture("landing")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page(page, picture, theme):
    """The page is in the menu, says whether today has landed, and follows Airflow's theme."""
    page.emulate_media(color_scheme="null")
    page.evaluate(f"localStorage.setItem('theme', '{theme}')")
    page.goto("/")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Mail Partner").click()

    shown = page.frame_locator("iframe")
    expect(shown.get_by_text("Landed today, ")).to_be_visible()
    expect(shown.get_by_role("img")).to_have_count(2)
    expect(shown.get_by_role("row").nth(1)).to_contain_text(f"{today()}")
    ground = shown.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 20, 24)"}[theme] == ground
    picture(f"page-{theme}")


def test_stranger(page, site):
    """Without Airflow's session there is no page."""
    with page.context.browser.new_context() as stranger:
        assert 401 == stranger.request.get(f"{site.url}/mailpartner/").status


def expect(what):
    """Expect something of a page soon; Playwright is not imported where these tests do not run."""
    from playwright.sync_api import expect

    return expect(what)


def row_of_connection(page):
    return page.get_by_role("row").filter(has_text=CONN_ID)


def give_a_port(page):
    """Work around Airflow 3.3.1 and 3.3.2, whose button refuses connections without a port."""
    port = {"connection_id": CONN_ID, "conn_type": "mailpartner", "port": 0}
    assert page.request.patch(f"/api/v2/connections/{CONN_ID}?update_mask=port", data=port).ok


def open_task(page, tab=""):
    """Open the triggered run's task."""
    runs = page.request.get(f"/api/v2/dags/{DAG_ID}/dagRuns").json()["dag_runs"]
    (run_id,) = (run["dag_run_id"] for run in runs if run["run_type"] == "manual")
    page.goto(f"/dags/{DAG_ID}/runs/{run_id}/tasks/{TASK_ID}{tab}")
