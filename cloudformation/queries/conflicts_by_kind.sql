-- Which classifications stand against each other in the conflicting variants of the training set.
SELECT conflict AS kind,
       count(*) AS variants
FROM clinvar_conflicting
WHERE class = 1
GROUP BY 1
ORDER BY 2 DESC, 1
