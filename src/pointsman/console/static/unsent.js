// Keeps what somebody typed and could not send, because the session had ended, until they are logged in again: the same
// page then has it in its fields. Held for this tab alone, dropped by the next page that is not the login, and never a
// password, a key or a file.
"use strict";

(() => {
  const slot = "pointsman-unsent";
  const here = location.pathname + location.search;
  const {user} = document.currentScript.dataset;
  const forms = () => Array.from(document.querySelectorAll("#main form[method=post]"));
  const plain = (field) => field.name && !field.disabled
    && !["hidden", "password", "file", "submit", "button"].includes(field.type)
    && !(field.type === "textarea" && field.autocomplete === "off");
  const ticked = (field) => field.type === "checkbox" || field.type === "radio";
  const isChanged = (field) => {
    if (ticked(field)) {
      return field.checked !== field.defaultChecked;
    }
    if (field.type === "select-one") {
      const initial = Array.from(field.options).findIndex((option) => option.defaultSelected);
      return field.selectedIndex !== Math.max(initial, 0);
    }
    return field.value !== field.defaultValue;
  };
  // A field is found again by its name, and of several of a name by its place.
  const placeOf = (form, field) => Array.from(form.elements).filter((one) => one.name === field.name).indexOf(field);

  const take = () => {
    const typed = [];
    forms().forEach((form, number) => {
      for (const field of Array.from(form.elements)) {
        if (plain(field) && isChanged(field)) {
          typed.push([form.getAttribute("action"), number, field.name, placeOf(form, field), ticked(field) ? field.checked : field.value]);
        }
      }
    });
    return typed;
  };

  const put = (typed) => {
    let first = null;
    for (const [action, number, name, place, value] of typed) {
      const form = forms()[number];
      if (!form || form.getAttribute("action") !== action) {
        continue;
      }
      const found = () => Array.from(form.elements).filter((one) => one.name === name)[place];
      const adds = form.querySelector(`[data-add-row="${CSS.escape(name.split("#")[0])}"]`);
      for (let more = 0; adds && !found() && more < 100; more += 1) {
        adds.click();  // a row that was added by hand
      }
      const field = found();
      if (!field) {
        continue;
      }
      field[ticked(field) ? "checked" : "value"] = value;
      if (!("fill" in field.dataset)) {  // that one would send the form
        field.dispatchEvent(new Event("input", {bubbles: true}));
        field.dispatchEvent(new Event("change", {bubbles: true}));
      }
      const section = field.closest("details");
      if (section) {
        section.open = true;
      }
      first = first || field;
    }
    if (first) {
      document.getElementById("unsent").hidden = false;
      first.focus();
    }
  };

  const held = JSON.parse(sessionStorage.getItem(slot) || "null");
  if (user === undefined) {
    if (held) {
      sessionStorage.setItem(slot, JSON.stringify({...held, through: true}));
    }
    return;
  }
  sessionStorage.removeItem(slot);
  addEventListener("pagehide", () => {
    const typed = take();
    if (typed.length) {
      sessionStorage.setItem(slot, JSON.stringify({here, user, typed}));
    }
  });
  if (held && held.through && held.user === user && held.here === here) {
    put(held.typed);
  }
})();
