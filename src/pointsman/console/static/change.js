// Shows the review of a change over the page that it comes from. Without this, it is a page of its own.
"use strict";

(() => {
  const isReview = (address) => /^\/changes\/[\w-]{8,}$/.test(new URL(address, location.href).pathname);
  let dialog = null;

  const open = (address, page) => {
    const review = page.querySelector("[data-review]");
    const heading = page.querySelector("h1");
    if (!review || !heading) {
      location.assign(address);
      return;
    }
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.className = "wide";
      dialog.setAttribute("aria-labelledby", "review-heading");
      document.body.append(dialog);
      // Closed by Escape or the cross: what was prepared is given up, what was typed stays.
      dialog.addEventListener("close", () => give(dialog.querySelector("form[data-discard]")));
      dialog.addEventListener("submit", onSubmit);
    }
    const box = document.createElement("div");
    box.className = "review";
    const head = document.createElement("header");
    const title = document.createElement("h2");
    title.id = "review-heading";
    title.textContent = heading.textContent;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "plain small";
    close.textContent = say("Close");
    close.addEventListener("click", () => dialog.close());
    head.append(title, close);
    for (const section of review.querySelectorAll("h2")) {
      const lower = document.createElement("h3");
      lower.id = section.id;
      lower.append(...section.childNodes);
      section.replaceWith(lower);
    }
    box.append(head, document.importNode(review, true));
    dialog.replaceChildren(box);
    if (!dialog.open) {
      dialog.showModal();
    }
    title.tabIndex = -1;
    title.focus();
  };

  const post = async (form, submitter) => {
    const body = new URLSearchParams(new FormData(form, submitter));
    return fetch(form.action, {method: "POST", body}).catch(() => null);
  };

  const give = (form) => {
    if (form && !form.dataset.gone) {
      form.dataset.gone = "";
      post(form);
    }
  };

  const show = async (form, submitter) => {
    const answer = await post(form, submitter);
    if (answer && answer.ok && answer.redirected && isReview(answer.url)) {
      open(answer.url, new DOMParser().parseFromString(await answer.text(), "text/html"));
      return;
    }
    // Something is wrong with the form, or nobody is logged in any more: the page itself says what.
    form.dataset.plain = "";
    form.requestSubmit(submitter);
  };

  const onSubmit = (event) => {
    const form = event.target;
    if ("discard" in form.dataset) {
      event.preventDefault();
      event.stopPropagation();
      give(form);
      dialog.close();
    } else if (form.action.endsWith("/merge")) {
      event.preventDefault();
      event.stopPropagation();
      show(form, event.submitter);
    }
  };

  document.addEventListener("submit", (event) => {
    const {target: form, submitter} = event;
    const reviews = submitter && submitter.name === "act" && submitter.value === "review";
    if (!reviews || "plain" in form.dataset || form.enctype !== "application/x-www-form-urlencoded") {
      delete form.dataset.plain;
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    show(form, submitter);
  }, true);
})();

// Settings are narrowed down as one types.
(() => {
  for (const input of document.querySelectorAll("input[data-settings]")) {
    const root = document.getElementById(input.dataset.settings);
    input.addEventListener("input", () => {
      const words = input.value.trim().toLowerCase();
      for (const section of root.querySelectorAll("details.card")) {
        const whole = section.querySelector("summary").textContent.toLowerCase().includes(words);
        let left = 0;
        for (const field of section.querySelectorAll("[data-field]")) {
          const text = `${field.textContent} ${field.dataset.field}`.toLowerCase();
          field.classList.toggle("narrowed", Boolean(words) && !whole && !text.includes(words));
          left += field.classList.contains("narrowed") ? 0 : 1;
        }
        section.hidden = left === 0;
        section.open = Boolean(words) && left > 0;
      }
      for (const heading of root.querySelectorAll("h2.settings-group")) {
        heading.hidden = Boolean(words);
      }
    });
  }
})();
