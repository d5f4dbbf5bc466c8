package dev.weir.engine.text.jinja;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A macro, or the body of a call block, with the scope it was defined in. */
record Macro(Node.MacroCode code, Scope definedIn) implements Callable {

  static final String CALLER = "caller";

  @Override
  public String name() {
    return "'" + code.name() + "'";
  }

  @Override
  public Object call(Arguments arguments, Evaluator evaluator) {
    evaluator.budget().charge(Budget.STEPS_PER_TABLE);
    Scope scope = new Scope(definedIn);
    Map<String, Object> named = new LinkedHashMap<>(arguments.named());
    List<Object> positional = arguments.positional();
    List<String> parameters = code.parameters();
    int firstDefault = parameters.size() - code.defaults().size();
    for (int i = 0; i < parameters.size(); i++) {
      String parameter = parameters.get(i);
      Object value = i < positional.size() ? positional.get(i) : named.remove(parameter);
      if (value == null) {
        value =
            i < firstDefault
                ? Undefined.because("parameter '" + parameter + "' was not provided")
                : evaluator.evaluate(code.defaults().get(i - firstDefault), scope);
      }
      scope.set(parameter, value);
    }
    if (code.usesCaller()) {
      Object caller = named.remove(CALLER);
      scope.set(CALLER, caller == null ? Undefined.because("No caller defined") : caller);
    }
    setRest(scope, named, positional, parameters.size());
    return evaluator.capture(code.body(), scope);
  }

  private void setRest(
      Scope scope, Map<String, Object> named, List<Object> positional, int parameters) {
    if (code.usesNamed()) {
      DictValue rest = new DictValue();
      named.forEach(rest::put);
      scope.set("kwargs", rest);
    } else if (!named.isEmpty()) {
      String first = named.keySet().iterator().next();
      throw PythonError.type("macro " + name() + " takes no keyword argument '" + first + "'");
    }
    if (code.usesRest()) {
      int from = Math.min(parameters, positional.size());
      scope.set("varargs", TupleValue.of(positional.subList(from, positional.size())));
    } else if (positional.size() > parameters) {
      throw PythonError.type(
          "macro " + name() + " takes not more than " + parameters + " argument(s)");
    }
  }
}
