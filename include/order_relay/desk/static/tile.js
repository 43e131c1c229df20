// The tile on Airflow's home page, made with Airflow's own React and Chakra UI: it follows their theme.
(() => {
  const { React, ChakraUI, ReactRouterDOM } = globalThis;
  const h = React.createElement;
  const { Badge, Box, HStack, Link, Text } = ChakraUI;
  const desk = new URL("order-desk/", document.baseURI);
  const MESSAGES = {
    401: "Your session has ended. Reload the page.",
    403: "You may not see any pipeline's orders.",
  };

  // Airflow's URL of a page of the desk
  const address = (path) => `/plugin/orders${new URL(path, desk).pathname}${new URL(path, desk).search}`;

  const to = (path, ...content) =>
    h(Link, { asChild: true, color: "fg.info" }, h(ReactRouterDOM.Link, { to: address(path) }, ...content));

  async function load() {
    const answer = await fetch(new URL("tile.json", desk), { credentials: "same-origin" });
    if (!answer.ok) throw new Error(MESSAGES[answer.status] || "The order desk could not be read. Its log says why.");
    return answer.json();
  }

  const TONES = { bad: "fg.error", warn: "fg.warning" };

  function content({ numbers, stopped, problem }) {
    return [
      problem && h(Text, { key: "problem", color: "fg.muted" }, problem),
      stopped && h(Badge, { key: "stopped", colorPalette: "red" }, "Sending is stopped"),
      ...numbers.map(({ title, number, path, tone }) =>
        h(
          HStack,
          { key: title, gap: 1.5 },
          h(Text, { fontWeight: "bold", color: TONES[tone] }, number.toLocaleString("en-US")),
          to(path, title),
        ),
      ),
    ];
  }

  globalThis.OrderRelayTile = function OrderRelayTile() {
    const [state, setState] = React.useState({});
    React.useEffect(() => {
      let shown = true;
      const show = (next) => shown && setState(next);
      const refresh = () => load().then((data) => show({ data }), (error) => show({ problem: error.message }));
      refresh();
      const timer = setInterval(() => document.hidden || refresh(), 60000);
      return () => {
        shown = false;
        clearInterval(timer);
      };
    }, []);
    const { data, problem } = state;
    return h(
      Box,
      { as: "section", "aria-label": "Orders", borderWidth: 1, borderRadius: "md", px: 4, py: 3, mb: 3 },
      h(
        HStack,
        { gap: 6, rowGap: 2, wrap: "wrap", role: "status" },
        to("", h(Text, { as: "span", fontWeight: "bold" }, "Orders")),
        problem && h(Text, { color: "fg.muted" }, problem),
        !problem && !data && h(Text, { color: "fg.muted" }, "Loading"),
        ...(data ? content(data) : []),
      ),
    );
  };
})();
