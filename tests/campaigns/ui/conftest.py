"""A browser with a user in it, in front of an Airflow that has just been installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.campaigns.ui.browser import PICTURES, QUIET
from tests.campaigns.ui.site import build_environment, stand_in, standalone
from tests.support.bucket import Bucket
from tests.support.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="session")
def chromium():
    """Where Chromium is, on which `make test-ui` insists."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    assert found, "Chromium is not installed: apt-get update && apt-get install chromium"
    return found


@pytest.fixture(scope="session")
def programs(chromium, tmp_path_factory):
    """The programs of an environment into which only the wheel and Airflow are installed."""
    folder = tmp_path_factory.mktemp("environment")
    yield build_environment(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def account(programs):
    """The account at the stand-in."""
    with stand_in(programs, count=10_000) as account:
        yield account


@pytest.fixture(scope="session")
def lake():
    """The bucket in which Airflow lands."""
    with Bucket("lake") as bucket:
        yield bucket


@pytest.fixture(scope="session")
def site(programs, account, lake, tmp_path_factory):
    """The running Airflow."""
    with standalone(programs, tmp_path_factory.mktemp("site"), lake) as site:
        yield site


@pytest.fixture(scope="session")
def browser(chromium):
    """The running browser."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page(browser, site):
    """A page of the browser, on which the administrator has logged in."""
    context = browser.new_context(base_url=site.url, viewport={"width": 1200, "height": 800})
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    page = context.new_page()
    page.goto("/")
    page.locator("input").first.fill("admin")
    page.locator("input").last.fill(site.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Dags", exact=True).wait_for()
    return page


@pytest.fixture(scope="session")
def picture(page) -> Callable[[str], Path]:
    """What takes a picture of the page as it is now."""
    shutil.rmtree(PICTURES, ignore_errors=True)

    def picture(name: str, of=page) -> Path:
        return of.screenshot(path=PICTURES / f"{name}.png", animations="disabled")

    return picture


@pytest.fixture
def picture_of_failure(request, page, picture):
    """Keep a picture of what was there when a test failed."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        picture(f"failed-{request.node.name}")
