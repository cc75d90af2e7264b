// The storefront. It uses the same JSON API as every other client. It builds the page
// from text nodes only, so that no answer of the API can become markup.
"use strict";

const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// ---- the API ----

class Problem extends Error {
  constructor(status, body) {
    super(body.title || "Something went wrong");
    this.status = status;
    this.detail = body.detail || "";
    this.mealID = body.meal_id;
    this.instance = body.instance;
  }
}

async function api(method, path, { body, headers = {} } = {}) {
  const init = { method, headers: { Accept: "application/json", ...headers } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new Problem(0, { title: "We cannot reach the kitchen. Are you online?" });
  }
  const instance = response.headers.get("X-Instance");
  if (instance) $("instance").textContent = instance;
  if (response.status === 204) return { status: 204 };
  const data = await response.json().catch(() => ({ title: "The kitchen is very busy. Please try again." }));
  if (!response.ok) throw new Problem(response.status, data);
  return { status: response.status, data };
}

function toast(text, bad = false) {
  const line = make("div", { class: bad ? "toast bad" : "toast" }, text);
  $("toasts").replaceChildren(line); // show only the latest
  setTimeout(() => line.remove(), 4500);
}

// kindly turns a problem into a message for a customer.
function kindly(problem) {
  if (!(problem instanceof Problem)) return "Something on this page went wrong.";
  switch (problem.status) {
    case 401: return "Please sign in first.";
    case 409: return problem.mealID ? `We have run low on ${names.get(problem.mealID) || "one of the meals"}. Please take fewer, or another meal.` : problem.message;
    case 503: return "The kitchen is very busy just now. Please try again in a moment.";
    case 500: return `That was our fault. If you tell us, name ${problem.instance}.`;
    default: return problem.message;
  }
}

const euros = (cents) => new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" }).format(cents / 100);
const when = (time) => new Intl.DateTimeFormat("en-IE", { dateStyle: "medium", timeStyle: "short" }).format(new Date(time));

// newKey also works where randomUUID is missing: on http origins other than localhost.
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

// ---- illustrations ----

const palettes = {
  italian: ["#f6d9c2", "#c8432b", "#4f7d3f", "#f2c14e"], thai: ["#dff0d4", "#6a9a3b", "#f08a24", "#d9381e"], mexican: ["#ffe3b3", "#d9381e", "#3f8f5f", "#f4a623"],
  indian: ["#ffe0b0", "#d97706", "#a63d14", "#6a8f3a"], japanese: ["#f7e3e1", "#b8352a", "#3e4a3d", "#f2d4a0"], french: ["#ece3f3", "#7a4b8b", "#b5651d", "#6f8f4e"],
  greek: ["#dcecf5", "#3b7ea1", "#6a8f3a", "#d9381e"], american: ["#f9dfc0", "#9a4a1c", "#e0a030", "#4f7d3f"], korean: ["#fbdcd3", "#c8321f", "#5b7f3b", "#f2c14e"],
  chinese: ["#fbe1cf", "#c2331d", "#e0a030", "#4d7a3e"], spanish: ["#fde4b5", "#d99a16", "#b8321c", "#52803f"], vietnamese: ["#e3f1da", "#5d9440", "#e07b39", "#c8432b"],
  moroccan: ["#f9ddc3", "#b5541c", "#d99a16", "#7a8f3a"], lebanese: ["#f1e9d0", "#8a7a2f", "#b5541c", "#4f7d3f"], mediterranean: ["#dcefe9", "#3c8d7d", "#e07b39", "#c8432b"],
};

function hash(text) {
  let h = 2166136261;
  for (const c of text) h = Math.imul(h ^ c.codePointAt(0), 16777619);
  return h >>> 0;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const star = () => svg("svg", { class: "star", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
  svg("path", { d: "M12 2l3.1 6.6 7 .9-5.2 5 1.4 7.1L12 18.1l-6.3 3.5 1.4-7.1-5.2-5 7-.9z" }));

// plate draws a meal. The same meal always gets the same picture.
function plate(meal) {
  const cuisine = meal.cuisine.toLowerCase();
  const known = Object.keys(palettes);
  const palette = palettes[cuisine] || palettes[known[hash(cuisine) % known.length]];
  let seed = hash(meal.id);
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 4294967296;
  const art = svg("svg", { class: "plate", viewBox: "0 0 320 200", "aria-hidden": "true", focusable: "false" }, svg("rect", { width: 320, height: 200, fill: palette[0] }));
  for (let i = 0; i < 7; i++) {
    art.append(svg("circle", { cx: random() * 320, cy: random() * 200, r: 5 + random() * 20, fill: palette[1 + (i % 3)], opacity: 0.1 + random() * 0.16 }));
  }
  art.append(svg("ellipse", { cx: 160, cy: 114, rx: 92, ry: 76, fill: "#5a3210", opacity: 0.12 }), svg("circle", { cx: 160, cy: 104, r: 82, fill: "#fffdf8" }),
    svg("circle", { cx: 160, cy: 104, r: 63, fill: "none", stroke: "#f1e4d2", "stroke-width": 2 }));
  for (let i = 0; i < 9; i++) {
    const angle = random() * 2 * Math.PI, far = 40 + random() * 15;
    art.append(svg("circle", { cx: 160 + Math.cos(angle) * far, cy: 104 + Math.sin(angle) * far, r: 3 + random() * 7, fill: palette[1 + (i % 3)], opacity: 0.85 }));
  }
  art.append(svg("g", { class: "dish", transform: "translate(160 104) scale(1.15)", "data-dish": dishOf(meal) },
    ...drawings[dishOf(meal)].map(([tag, attributes]) => svg(tag, attributes))));
  return art;
}

// ---- meals ----

const names = new Map(); // names of the meals seen so far, for messages
const prices = new Map();

function card(meal, rank) {
  names.set(meal.id, meal.name);
  prices.set(meal.id, meal.price_cents);
  const facts = make("p", { class: "facts" }, make("span", {}, `${meal.prep_minutes} min`), make("span", {}, `${meal.kilocalories} kcal`));
  if (meal.rating && meal.rating.count > 0) {
    facts.prepend(make("span", { class: "stars", "aria-label": `${meal.rating.average.toFixed(1)} of 5 stars, ${meal.rating.count} ratings` }, star(), `${meal.rating.average.toFixed(1)} `, make("small", {}, `(${meal.rating.count})`)));
  }
  return make("li", {}, make("article", { class: "card", "data-meal": meal.id },
    plate(meal), rank ? make("span", { class: "rank" }, `No. ${rank}`) : null,
    make("div", { class: "body" },
      make("h3", {}, meal.name), rank ? null : make("p", { class: "about" }, meal.description), facts,
      make("p", { class: "tags" }, make("span", { class: "tag cuisine" }, meal.cuisine), ...meal.diets.slice(0, 3).map((diet) => make("span", { class: "tag" }, diet))),
      make("div", { class: "buy" }, make("span", { class: "price" }, euros(meal.price_cents)),
        make("button", { class: "primary", type: "button", "aria-label": `Add ${meal.name} to the cart`, onclick: () => add(meal) }, "Add")))));
}

let nextMeals = "", listing = 0;

async function listMeals(more) {
  const mine = ++listing; // a newer choice of filters makes this answer stale
  const query = new URLSearchParams({ limit: "12" });
  for (const [name, value] of new FormData($("filters"))) if (value.trim()) query.set(name, value.trim());
  if (more) query.set("cursor", nextMeals);
  else $("meals").replaceChildren(...Array.from({ length: 8 }, () => make("li", { class: "loading" })));
  $("meals").setAttribute("aria-busy", "true");
  try {
    const { data } = await api("GET", `/meals?${query}`);
    if (mine !== listing) return;
    const cards = data.meals.map((meal) => card(meal));
    if (more) $("meals").append(...cards);
    else $("meals").replaceChildren(...cards);
    nextMeals = data.next || "";
    $("more").hidden = !nextMeals;
    $("no-meals").hidden = $("meals").children.length > 0;
  } catch (problem) {
    if (mine !== listing) return;
    if (!more) $("meals").replaceChildren();
    toast(kindly(problem), true);
  } finally {
    if (mine === listing) $("meals").setAttribute("aria-busy", "false");
  }
}

async function listPopular() {
  try {
    const { data } = await api("GET", "/meals/popular?limit=8");
    $("popular").replaceChildren(...data.meals.map((meal, i) => card(meal, i + 1)));
    $("popular").closest("section").hidden = data.meals.length === 0;
  } catch {
    $("popular").closest("section").hidden = true; // the menu below works without it
  }
}

// ---- the cart ----

const maxQuantity = 50, maxLines = 20;
let cart = new Map(); // meal id to quantity
let orderKey = ""; // kept until its order is placed or changed
let saving = Promise.resolve();

const cartLines = () => [...cart].map(([meal_id, quantity]) => ({ meal_id, quantity }));

function changeCart(id, quantity) {
  if (quantity < 1) cart.delete(id);
  else cart.set(id, Math.min(quantity, maxQuantity));
  orderKey = "";
  showCart();
  saveCart();
}

function add(meal) {
  if (!cart.has(meal.id) && cart.size >= maxLines) return toast(`A box holds ${maxLines} different meals.`, true);
  changeCart(meal.id, (cart.get(meal.id) || 0) + 1);
  toast(`${meal.name} is in the box`);
}

// saveCart sends the states of the cart one after another, so that the last one stays.
function saveCart() {
  if (!me) return;
  saving = saving.then(() => api("PUT", "/cart", { body: { lines: cartLines() } })).catch((problem) => {
    if (problem.status === 401) signedOut();
    else toast(kindly(problem), true);
  });
}

function showCart() {
  let portions = 0, total = 0;
  const lines = [...cart].map(([id, quantity]) => {
    const price = prices.get(id) || 0, name = names.get(id) || id;
    portions += quantity;
    total += price * quantity;
    return make("li", { "data-meal": id },
      make("span", { class: "name" }, name),
      make("span", { class: "stepper" },
        make("button", { type: "button", "aria-label": `One ${name} less`, onclick: () => changeCart(id, quantity - 1) }, "−"), String(quantity),
        make("button", { type: "button", "aria-label": `One ${name} more`, onclick: () => changeCart(id, quantity + 1), disabled: quantity >= maxQuantity }, "+")),
      make("span", { class: "each" }, `${euros(price)} a portion`));
  });
  $("lines").replaceChildren(...lines);
  $("lines").hidden = lines.length === 0;
  $("empty-cart").hidden = lines.length > 0;
  $("cart-count").textContent = String(portions);
  $("total").textContent = euros(total);
  $("order").disabled = lines.length === 0;
  cartError("");
}

function cartError(text) {
  $("cart-error").textContent = text;
  $("cart-error").hidden = !text;
}

async function loadCart() {
  if (cart.size > 0) return saveCart(); // a cart from before the sign-in replaces the stored one
  const { data } = await api("GET", "/cart");
  for (const line of data.lines) {
    names.set(line.meal_id, line.name);
    prices.set(line.meal_id, line.price_cents);
    cart.set(line.meal_id, line.quantity);
  }
  showCart();
}

// ---- orders ----

async function orderDinner() {
  if (!me) return openSignIn(orderDinner);
  const button = $("order");
  button.disabled = true;
  button.textContent = "Ordering …";
  cartError("");
  orderKey = orderKey || newKey(); // a retry uses the same key
  try {
    await saving;
    const { data } = await api("POST", "/orders", { body: { lines: cartLines() }, headers: { "Idempotency-Key": orderKey } });
    cart = new Map();
    orderKey = "";
    showCart();
    saveCart();
    $("cart").close();
    confirmOrder(data);
    listOrders();
  } catch (problem) {
    if (problem.status === 401) signedOut();
    cartError(kindly(problem));
  } finally {
    button.textContent = "Order dinner";
    button.disabled = cart.size === 0;
  }
}

const effectNames = { supplier_ledger: "Suppliers told", recommendations: "Next week planned", confirmation_email: "Confirmation mailed" };
const effectList = (order) => order.effects.map((e) => make("li", { class: e.done ? "done" : "", "data-effect": e.name }, effectNames[e.name] || e.name, e.done ? "" : " …"));

async function confirmOrder(order) {
  $("order-id").textContent = order.id;
  $("order-total").textContent = euros(order.total_cents);
  $("effects").replaceChildren(...effectList(order));
  $("confirmation").showModal();
  // With a queue, an order is placed before its effects are done.
  for (let tries = 0; tries < 20 && $("confirmation").open && order.effects.some((e) => !e.done); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    try {
      ({ data: order } = await api("GET", `/orders/${encodeURIComponent(order.id)}`));
      $("effects").replaceChildren(...effectList(order));
    } catch { /* the next try may do better */ }
  }
  listWeek();
}

let nextOrders = "";

async function listOrders(more) {
  if (!me) return;
  const query = new URLSearchParams({ limit: "5" });
  if (more) query.set("cursor", nextOrders);
  try {
    const { data } = await api("GET", `/orders?${query}`);
    const rows = data.orders.map((order) => make("li", { "data-order": order.id },
      make("strong", {}, when(order.placed_at)), make("strong", {}, euros(order.total_cents)),
      make("span", { class: "what" }, order.lines.map((line) => `${line.quantity} × ${line.name}`).join(", ")),
      make("span", { class: `status ${order.status}` }, order.status.replaceAll("_", " ")), make("code", {}, order.id),
      make("ul", { class: "effects" }, ...effectList(order))));
    if (more) $("history").append(...rows);
    else $("history").replaceChildren(...(rows.length ? rows : [make("li", {}, "No orders yet. Tonight would be a good start.")]));
    nextOrders = data.next || "";
    $("more-orders").hidden = !nextOrders;
  } catch (problem) {
    toast(kindly(problem), true);
  }
}

async function listWeek() {
  if (!me) return;
  try {
    const { data } = await api("GET", "/recommendations");
    $("days").replaceChildren(...data.days.map(({ day, meal }) => {
      names.set(meal.id, meal.name);
      prices.set(meal.id, meal.price_cents);
      return make("li", { class: "day" }, plate(meal), make("div", {}, make("h3", {}, day), make("p", {}, meal.name),
        make("button", { class: "ghost", type: "button", "aria-label": `Add ${meal.name} to the cart`, onclick: () => add(meal) }, "Add")));
    }));
  } catch (problem) {
    toast(kindly(problem), true);
  }
}

// ---- session ----

let me = null;
let afterSignIn = null;

function openSignIn(then = null) {
  afterSignIn = then;
  $("sign-in-form").querySelector(".error").hidden = true;
  $("sign-in").showModal();
}

function showAccount() {
  $("account").textContent = me ? `Sign out ${me.name.split(" ")[0]}` : "Sign in";
  document.body.classList.toggle("signed-in", Boolean(me));
  for (const element of document.querySelectorAll("[data-signed-in]")) element.hidden = !me;
}

function signedOut() {
  me = null;
  showAccount();
}

async function signedIn() {
  me = (await api("GET", "/me")).data;
  showAccount();
  await loadCart();
  listOrders();
  listWeek();
}

async function signIn(event) {
  event.preventDefault();
  const form = $("sign-in-form"), error = form.querySelector(".error"), submit = form.querySelector("[type=submit]");
  error.hidden = true;
  submit.disabled = true;
  try {
    await api("POST", "/sessions", { body: Object.fromEntries(new FormData(form)) });
    await signedIn();
    $("sign-in").close();
    const then = afterSignIn;
    afterSignIn = null;
    if (then) then();
  } catch (problem) {
    error.textContent = problem.status === 401 ? "That email and password do not go together." : kindly(problem);
    error.hidden = false;
  } finally {
    submit.disabled = false;
  }
}

async function signOut() {
  try {
    await saving;
    await api("DELETE", "/sessions");
    cart = new Map();
    showCart();
    signedOut();
  } catch (problem) {
    toast(kindly(problem), true);
  }
}

// ---- start ----

$("account").addEventListener("click", () => (me ? signOut() : openSignIn()));
$("open-cart").addEventListener("click", () => $("cart").showModal());
$("order").addEventListener("click", orderDinner);
$("more").addEventListener("click", () => listMeals(true));
$("more-orders").addEventListener("click", () => listOrders(true));
$("sign-in-form").addEventListener("submit", signIn);
$("filters").addEventListener("submit", (event) => event.preventDefault());
let typing = 0;
$("filters").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => listMeals(false), 250);
});
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
  });
}
$("hero-art").append(plate({ id: "dinner", name: "Tonight's stew", cuisine: "mexican" }));
showCart();
listMeals(false);
listPopular();
signedIn().catch((problem) => {
  if (problem.status !== 401) toast(kindly(problem), true);
});
