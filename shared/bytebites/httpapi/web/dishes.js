// Drawings of dishes and of the signs on buttons. A machine without an emoji font shows an emoji as
// an empty box, so nothing here is text. A drawing is a list of shapes: the SVG tag and its
// attributes. The middle of a dish is at 0,0. It is about 90 wide and 80 high.
"use strict";

const line = (d, stroke, width, more = {}) => ["path", { d, fill: "none", stroke, "stroke-width": width, "stroke-linecap": "round", "stroke-linejoin": "round", ...more }];
const shape = (d, fill) => ["path", { d, fill }];
const dot = (cx, cy, r, fill) => ["circle", { cx, cy, r, fill }];
const oval = (cx, cy, rx, ry, fill, transform) => ["ellipse", { cx, cy, rx, ry, fill, ...(transform && { transform }) }];
const box = (x, y, width, height, rx, fill, transform) => ["rect", { x, y, width, height, rx, fill, ...(transform && { transform }) }];

const steam = line("M-15 -22q-7 -7 0 -14t0 -14M0 -20q-7 -7 0 -14t0 -14M15 -22q-7 -7 0 -14t0 -14", "#c9b59b", 3.5);
const bowl = (fill, inside) => [shape("M-45 -6H45C45 22 26 38 0 38S-45 22 -45 -6Z", fill), box(-18, 35, 36, 6, 3, fill), oval(0, -6, 45, 12, fill), oval(0, -6, 39, 8.5, inside)];
const turned = (transform, d, fill) => ["path", { d, fill, transform }];
const leaf = (x, y, turn, fill = "#5d9440") => turned(`translate(${x} ${y}) rotate(${turn})`, "M0 0C6 -9 18 -9 24 0C18 9 6 9 0 0Z", fill);

const drawings = {
  soup: [steam, ...bowl("#b5541c", "#e89a3a"), dot(-16, -7, 4, "#c8432b"), dot(4, -4, 4, "#c8432b"), dot(18, -8, 3.5, "#c8432b"), leaf(-8, -9, 20), leaf(12, -4, -10)],
  noodles: [line("M16 -52L-4 -12M32 -50L6 -10", "#7a4a21", 4), ...bowl("#b8352a", "#f6e3b0"), line("M-32 -6q8 -9 16 0t16 0t16 0t14 0M-24 -3q8 -7 16 0t16 0t14 0M-26 -9q8 -7 16 0t16 0t16 0", "#d9a93f", 3), oval(-14, -8, 8, 4.5, "#fffdf5"), dot(-14, -8, 2.8, "#f2a01f"), leaf(8, -10, 0)],
  rice: [shape("M-37 -6C-34 -42 34 -42 37 -6Z", "#fffaf0"), line("M-37 -6C-34 -42 34 -42 37 -6", "#e3d5bd", 2), ...bowl("#3b7ea1", "#fffaf0").slice(0, 2), oval(0, -6, 45, 9, "#3b7ea1"), shape("M-39 -7C-34 -42 34 -42 39 -7C20 -2 -20 -2 -39 -7Z", "#fffaf0"), line("M-12 -24l4 3M4 -29l4 -2M14 -18l4 2M-24 -14l3 3M-2 -14l4 2", "#d9c7a6", 2.5), leaf(-6, -34, -20), dot(12, -26, 4, "#c8432b")],
  curry: [steam, ...bowl("#8a5a2b", "#d97f1e"), shape("M-38 -7C-34 -16 -6 -16 -2 -6C-10 1 -30 2 -38 -7Z", "#fffaf0"), dot(12, -6, 5, "#a63d14"), dot(24, -7, 4.5, "#a63d14"), leaf(8, -10, -15), leaf(16, -2, 5)],
  bowl: [...bowl("#5b7f6b", "#fbf1dc"), oval(-20, -9, 13, 7, "#5d9440"), oval(0, -11, 11, 6, "#f08a24"), oval(20, -9, 13, 7, "#c8432b"), oval(2, -3, 14, 4.5, "#f6e3b0"), dot(-20, -10, 2.5, "#a9cf7e"), dot(22, -10, 2.5, "#f2a48f")],
  salad: [leaf(-34, -12, -50, "#6fa844"), leaf(-22, -16, -75, "#4f7d3f"), leaf(-6, -18, -95, "#7db84f"), leaf(10, -17, -70, "#4f7d3f"), leaf(20, -12, -40, "#6fa844"), dot(-16, -18, 8, "#d9381e"), dot(14, -19, 8, "#d9381e"), oval(0, -14, 34, 9, "#6fa844"), ...bowl("#a5713c", "#8cc05d"), oval(-10, -8, 9, 4, "#f6e3b0"), dot(14, -7, 4.5, "#d9381e")],
  stew: [steam, box(-54, -6, 108, 8, 4, "#6b4a2f"), shape("M-42 -8H42V14C42 30 32 36 20 36H-20C-32 36 -42 30 -42 14Z", "#8a4a2a"), oval(0, -8, 42, 11, "#8a4a2a"), oval(0, -8, 36, 8, "#c8662a"), dot(-16, -10, 5, "#f2a01f"), dot(2, -6, 5, "#7d2f1c"), dot(18, -10, 5, "#f2a01f"), leaf(-6, -12, 10)],
  taco: [dot(-24, -8, 10, "#6fa844"), dot(-8, -18, 11, "#7db84f"), dot(10, -18, 11, "#6fa844"), dot(25, -8, 10, "#7db84f"), dot(-16, -12, 6, "#d9381e"), dot(2, -18, 6, "#d9381e"), dot(18, -12, 6, "#d9381e"), shape("M-46 24C-46 -22 46 -22 46 24Z", "#f0b23c"), line("M-46 24H46", "#c98a22", 4), dot(-20, 6, 2.5, "#c98a22"), dot(2, 0, 2.5, "#c98a22"), dot(22, 8, 2.5, "#c98a22"), dot(8, 14, 2, "#c98a22"), dot(-8, 14, 2, "#c98a22")],
  wrap: [dot(-14, -26, 9, "#6fa844"), dot(2, -32, 10, "#7db84f"), dot(16, -24, 9, "#d9381e"), box(-22, -24, 44, 64, 14, "#f2deb3", "rotate(14 0 8)"), turned("rotate(14 0 8)", "M-22 6L22 -8V26C22 34 16 40 8 40H-8C-16 40 -22 34 -22 26Z", "#d5dee3"), line("M-26 -2L18 -7", "#d8bd86", 2)],
  pizza: [shape("M0 44L-40 -22C-16 -36 16 -36 40 -22Z", "#f5c84f"), line("M-41 -24C-16 -40 16 -40 41 -24", "#c57f2c", 10), dot(-14, -14, 7, "#c8331d"), dot(14, -12, 7, "#c8331d"), dot(0, 12, 6.5, "#c8331d"), leaf(-6, -2, -30), leaf(4, 24, -70)],
  burger: [shape("M-42 -10C-40 -46 40 -46 42 -10Z", "#d9912f"), dot(-14, -28, 2.2, "#fbe3b5"), dot(2, -33, 2.2, "#fbe3b5"), dot(18, -27, 2.2, "#fbe3b5"), line("M-40 -6q8 8 16 0t16 0t16 0t16 0t16 0", "#6fa844", 7), box(-40, 2, 80, 9, 3, "#f2c230"), box(-42, 9, 84, 13, 6, "#6b3a1e"), shape("M-40 24H40C40 38 32 40 24 40H-24C-32 40 -40 38 -40 24Z", "#d9912f")],
  pasta: [oval(0, 6, 46, 30, "#f3e6d0"), ...[34, 25, 16, 8].map((r) => ["ellipse", { cx: 0, cy: 4 - r / 6, rx: r, ry: r * 0.62, fill: "none", stroke: "#e3b03f", "stroke-width": 5 }]), shape("M-20 -2C-18 -18 18 -20 22 -4C24 6 8 10 0 8C-10 10 -22 8 -20 -2Z", "#c8331d"), dot(-6, -6, 6, "#7d2f1c"), dot(8, -4, 6, "#7d2f1c"), leaf(-4, -14, -20), leaf(2, -12, 20)],
  sushi: [box(-46, -8, 42, 30, 8, "#26352c"), oval(-25, -8, 21, 10, "#26352c"), oval(-25, -8, 17, 7.5, "#fffaf0"), oval(-25, -8, 8, 3.8, "#f08a4a"), box(4, 0, 42, 22, 9, "#efe2cb"), shape("M2 2C8 -16 42 -16 48 2C40 10 10 10 2 2Z", "#f08a4a"), line("M14 -8l5 12M25 -11l5 14M36 -8l4 11", "#fbc9a8", 3), line("M-40 38L44 30M-38 44L46 37", "#7a4a21", 3.5)],
  dumpling: [oval(0, 26, 48, 10, "#c9a26a"), oval(0, 23, 48, 10, "#e0c08a"), shape("M-46 18C-44 -22 44 -22 46 18C28 26 -28 26 -46 18Z", "#f7ead0"), line("M-30 0q6 -4 10 4M-14 -10q6 -4 10 4M4 -11q6 -3 10 5M20 -4q6 -2 9 5", "#d8bf92", 3), line("M-40 10C-30 -18 30 -18 40 10", "#e3cda3", 3)],
  fish: [shape("M26 0L50 -20V20Z", "#7fa3b8"), shape("M-48 0C-34 -30 14 -30 34 0C14 30 -34 30 -48 0Z", "#8fb3c8"), shape("M-48 0C-34 30 14 30 34 0C10 10 -26 10 -48 0Z", "#b9d3e0"), shape("M-10 -21C-2 -34 12 -32 14 -20Z", "#7fa3b8"), dot(-30, -5, 4.5, "#fff"), dot(-30, -5, 2.4, "#22333d"), line("M-16 -12q6 12 0 24M-2 -10q5 9 0 18M10 -8q4 7 0 14", "#6f94a8", 2.5), leaf(14, 30, -15), leaf(-2, 34, 10)],
  shrimp: [line("M26 -26C-20 -40 -44 -8 -26 16C-14 32 12 32 24 22", "#f08a5a", 20), line("M12 -36l-3 20M-12 -33l7 18M-32 -16l17 10M-38 6l19 -4M-22 26l10 -16M2 36l1 -19", "#fbc3a2", 3.5), shape("M20 14L44 8L36 24L46 36L22 30Z", "#e0653a"), dot(24, -29, 3, "#3a2018"), line("M32 -30q12 -6 16 -16M33 -24q14 0 18 -8", "#e0653a", 2.5)],
  steak: [shape("M-44 4C-48 -24 -20 -36 2 -30C26 -36 48 -18 44 6C40 30 18 34 -4 30C-24 36 -42 26 -44 4Z", "#f3d6c2"), shape("M-36 4C-38 -16 -16 -26 2 -21C22 -26 38 -14 35 5C32 22 14 25 -4 21C-20 26 -35 19 -36 4Z", "#a5382c"), line("M-20 -8q8 10 20 4M6 -10q8 8 18 6M-16 10q12 6 24 -2", "#e8a596", 3), dot(24, 10, 7, "#fffaf0"), dot(24, 10, 3.5, "#e8d3bd")],
  chicken: [line("M14 16L34 34", "#f6ead6", 10), dot(32, 40, 7, "#f6ead6"), dot(40, 32, 7, "#f6ead6"), shape("M22 22C34 -4 14 -38 -16 -36C-42 -34 -52 -6 -36 12C-22 28 2 34 22 22Z", "#c97a2c"), shape("M-30 -8C-30 -22 -16 -28 -6 -24C-16 -20 -24 -14 -26 -4Z", "#e3a65a"), dot(4, 4, 2.5, "#a35c1c"), dot(-8, 12, 2.5, "#a35c1c"), dot(8, -10, 2.5, "#a35c1c"), leaf(-44, 30, -20), leaf(-34, 36, 0)],
  pie: [oval(0, 24, 48, 10, "#b9bec4"), shape("M-46 2L-38 30C-20 36 20 36 38 30L46 2Z", "#cfd4d9"), oval(0, 0, 48, 20, "#d9952f"), oval(0, -2, 40, 15, "#b8472a"), line("M-34 -8L10 12M-20 -14L28 8M-2 -17L38 2M34 -8L-10 12M20 -14L-28 8M2 -17L-38 2", "#f0bd62", 5)],
  falafel: [dot(-22, 10, 18, "#8f6128"), dot(20, 12, 18, "#9c6c2f"), dot(-1, -12, 18, "#a87737"), ...[[-28, 4], [-16, 14], [-24, 18], [14, 6], [26, 12], [18, 20], [-8, -18], [4, -8], [6, -18]].map(([x, y]) => dot(x, y, 2.4, "#c79a55")), leaf(-44, 28, 15), leaf(22, -12, -35), leaf(26, -4, -10), oval(0, 34, 20, 5, "#fbf4e4")],
  pita: [dot(-22, -16, 10, "#6fa844"), dot(-4, -20, 10, "#7db84f"), dot(14, -20, 9, "#d9381e"), dot(28, -12, 9, "#6fa844"), oval(-12, -14, 10, 7, "#8f6128"), oval(8, -16, 10, 7, "#8f6128"), shape("M-48 -8C-30 0 30 0 48 -8C46 26 26 40 0 40S-46 26 -48 -8Z", "#ecca8f"), line("M-48 -8C-30 0 30 0 48 -8", "#d0a662", 3), dot(-20, 14, 3, "#d0a662"), dot(6, 22, 3, "#d0a662"), dot(24, 10, 3, "#d0a662")],
  egg: [box(34, -4, 26, 9, 4, "#4a3a2c", "rotate(-20 34 0)"), dot(0, 4, 40, "#4a4f54"), dot(0, 4, 34, "#5d636a"), shape("M-26 2C-30 -16 -10 -26 2 -20C16 -28 32 -10 26 4C32 20 14 30 2 26C-12 34 -28 20 -26 2Z", "#fffdf8"), dot(0, 3, 11, "#f5a71f"), dot(-3, -1, 3.5, "#fbd27a")],
  bento: [box(-48, -32, 96, 66, 8, "#8a2f22"), box(-43, -27, 50, 34, 5, "#fffaf0"), box(12, -27, 31, 34, 5, "#f7dcb8"), box(-43, 12, 34, 17, 4, "#cfe3b4"), box(-4, 12, 47, 17, 4, "#f7dcb8"), dot(-18, -10, 6, "#c8331d"), oval(27, -16, 10, 5, "#f08a4a"), oval(27, -4, 10, 5, "#f08a4a"), leaf(-38, 20, 0), leaf(-30, 22, -10), dot(8, 20, 6, "#f2c230"), dot(22, 20, 6, "#6b3a1e"), dot(35, 20, 5, "#f2c230")],
  cutlery: [line("M-22 -2V42", "#8a8f96", 6), line("M-32 -40V-18C-32 -4 -12 -4 -12 -18V-40M-22 -40V-10", "#8a8f96", 5), line("M20 6V42", "#8a8f96", 6), shape("M16 -42C34 -38 36 -6 24 8H16Z", "#a4a9b0")],
};

// Names of meals, and the cuisines for the other names.
const dishes = [
  [/ramen|noodle|udon|soba|laksa|pho\b/i, "noodles"], [/stew|tagine|casserole/i, "stew"], [/soup|chowder|bisque/i, "soup"], [/taco/i, "taco"], [/burrito|wrap/i, "wrap"],
  [/pizza/i, "pizza"], [/burger/i, "burger"], [/pasta|lasagn|spaghetti|penne|gnocchi|linguine|ravioli/i, "pasta"], [/curry|dal|masala|korma|tikka/i, "curry"], [/salad|slaw/i, "salad"],
  [/sushi|poke/i, "sushi"], [/dumpling|gyoza|bao/i, "dumpling"], [/shrimp|prawn/i, "shrimp"], [/salmon|cod|fish|tuna|trout/i, "fish"], [/steak|beef/i, "steak"],
  [/chicken|turkey/i, "chicken"], [/pie|quiche/i, "pie"], [/rice|risotto|paella|bibimbap/i, "rice"], [/falafel/i, "falafel"], [/pita|gyro|kebab|souvlaki/i, "pita"],
  [/bowl/i, "bowl"], [/egg|shakshuka|omelette/i, "egg"],
];
const cuisineDishes = {
  italian: "pasta", thai: "curry", mexican: "taco", indian: "curry", japanese: "bento", french: "stew", greek: "salad", american: "burger", korean: "soup", chinese: "dumpling",
  spanish: "rice", vietnamese: "noodles", moroccan: "stew", lebanese: "falafel", mediterranean: "bowl",
};

// dishOf returns the name of the drawing of a meal.
function dishOf(meal) {
  const found = dishes.find(([pattern]) => pattern.test(meal.name));
  return found ? found[1] : cuisineDishes[meal.cuisine.toLowerCase()] || "cutlery";
}
