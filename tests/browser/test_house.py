"""Keeping house in the browser: settings, people, one's own account, the editor of schemas."""

from __future__ import annotations

import json
import re

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from app.registers import registers, schemas
from tests.browser.conftest import Site

pytestmark = pytest.mark.timeout(60)


def test_settings_say_what_is_wrong_and_keep_what_is_right(page: Page) -> None:
    page.goto("/settings")
    days = page.locator("#retention-runs-days")
    days.fill("a while")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    expect(page.locator(".faulty", has=page.locator("#retention-runs-days"))).to_be_visible()
    expect(days).to_have_value("a while")
    days.fill("33")
    page.get_by_role("button", name="Save").click()
    page.goto("/settings")
    expect(days).to_have_value("33")


def test_a_person_is_let_in_given_a_role_and_shown_out(
    page: Page, chromium: Browser, site: Site
) -> None:
    page.goto("/users")
    page.get_by_text("Add a user").click()
    page.get_by_label("Name *", exact=True).fill("bob")
    page.get_by_label("Full name").fill("Bob")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Password of bob (shown only once)")).to_be_visible()
    password = page.locator(".note.good code").inner_text()
    page.get_by_label("Role of bob").select_option("register-admin")
    expect(page.get_by_text("Saved")).to_be_visible()
    context = chromium.new_context(base_url=site.url, locale="en")
    bob = context.new_page()
    bob.goto("/login")
    bob.get_by_label("Name").fill("bob")
    bob.get_by_label("Password").fill(password)
    bob.get_by_role("button", name="Sign in").click()
    bob.get_by_role("link", name="Data sources").click()
    expect(bob.get_by_role("link", name="Add Source").first).to_be_visible()
    expect(bob.get_by_role("link", name="Users")).to_have_count(0)
    _own_account(bob, site, password)
    page.goto("/users")
    page.locator("tbody tr", has_text="bob").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted")).to_be_visible()
    bob.goto("/sources")
    expect(bob).to_have_url(re.compile("/login"))
    context.close()


def _own_account(bob: Page, site: Site, password: str) -> None:
    """An app password, shown once and revoked; another password, which ends the session."""
    bob.goto("/account")
    bob.get_by_label("Name of the program").fill("reports")
    bob.get_by_role("button", name="Create app password").click()
    token = bob.locator(".note.good code").inner_text()
    asked = f"{site.url}/api/session"
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(asked, headers=headers, timeout=10).json()["name"] == "bob"
    bob.goto("/account")
    assert token not in bob.content()
    bob.get_by_role("button", name="Revoke").click()
    expect(bob.locator("tbody tr", has_text="reports")).to_contain_text("revoked")
    assert requests.get(asked, headers=headers, timeout=10).status_code == 401
    bob.get_by_label("Current password").fill("wrong")
    for label in ("New password", "Repeat new password"):
        bob.get_by_label(label, exact=True).fill("battery horse correct")
    bob.get_by_role("button", name="Change password").click()
    expect(bob.get_by_role("alert")).to_be_visible()
    bob.get_by_label("Current password").fill(password)
    for label in ("New password", "Repeat new password"):
        bob.get_by_label(label, exact=True).fill("battery horse correct")
    bob.get_by_role("button", name="Change password").click()
    expect(bob).to_have_url(re.compile("/login"))
    bob.get_by_label("Name").fill("bob")
    bob.get_by_label("Password").fill("battery horse correct")
    bob.get_by_role("button", name="Sign in").click()
    bob.wait_for_url(lambda url: "/login" not in url)


def test_the_editor_refuses_what_is_no_schema_and_counts_versions(page: Page, site: Site) -> None:
    site.app.write(registers.add, "house")
    document = {"type": "object", "properties": {"name": {"type": "string"}}}
    schemas.add(site.app, "thing", document, register="house", actor="test")
    page.goto("/schemas/thing")
    editor = page.get_by_label("JSON Schema, draft 2020-12")
    save = page.get_by_role("button", name="Check and save")
    editor.fill('{"type": "object",')
    save.click()
    expect(page.get_by_role("alert")).to_contain_text("not valid JSON")
    expect(editor).to_have_value('{"type": "object",')
    editor.fill(json.dumps({"type": "object", "properties": {"name": {"type": "sting"}}}))
    save.click()
    expect(page.get_by_role("alert")).to_contain_text("sting")
    document["properties"]["size"] = {"type": "integer"}  # type: ignore[index]
    editor.fill(json.dumps(document))
    save.click()
    expect(page.get_by_text("Saved")).to_be_visible()
    expect(page.locator(".purpose")).to_contain_text("version 2")
    expect(page.locator(".aside li")).to_have_count(2)
    page.locator(".aside").get_by_role("link", name="version 1").click()
    expect(editor).not_to_have_value(re.compile("size"))
